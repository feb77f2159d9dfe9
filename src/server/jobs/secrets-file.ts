import { Secret } from '../../vault/secret.ts'
import type { Secrets } from './secrets.ts'

/**
 * The file of secrets (gostint.md §8.3), names sorted, capitals first: JSON, or YAML that readers of every version take for the
 * same texts. Written by hand, since readers differ: to some `1e3`, `0o7` or `=` are no texts, and some refuse the whole file
 * for one DEL or take U+2028 for the end of a line. So a value stands bare only where nobody can read it otherwise.
 */
export function secretsFile(secrets: Secrets, type: 'yaml' | 'json'): { name: string; text: Secret } {
  const sorted = [...secrets]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, secret]) => [name, secret.reveal().toWellFormed()] as const)
  if (type === 'json') {
    const items = sorted.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    return { name: 'secrets.json', text: new Secret(`{${items.join(',')}}`) }
  }
  const lines = sorted.map(([name, value]) => `${inline(name)}: ${isBlock(value) ? block(value) : inline(value)}\n`)
  return { name: 'secrets.yml', text: new Secret(`---\n# the secrets of this job\n${lines.join('') || '{}\n'}`) }
}

/** Begins with a letter, so it is no number and no date; a colon only where no blank follows. */
const BARE = /^[A-Za-z_](?:(?:[\w ./+=@-]|:(?=[\w./+=@-]))*[\w./+=@-])?$/
/** Words that mean something else to some reader, and what one takes for the exponent of a number (`E0`). */
const WORDS = /^(?:y|n|yes|no|on|off|true|false|null|e[\d._+-]*)$/i
/** JSON leaves these as they are; YAML readers refuse them or take them for the end of a line. */
const SPECIAL = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g

function inline(text: string): string {
  if (BARE.test(text) && !WORDS.test(text)) return text
  // JSON's texts are YAML's too
  return JSON.stringify(text).replaceAll(SPECIAL, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Several lines, with nothing at their borders that a block could lose: keys and certificates look as they should. */
function isBlock(text: string): boolean {
  return (
    /^\S/.test(text) &&
    text.includes('\n') &&
    !text.endsWith('\n\n') &&
    text.split('\n').every(line => line === '' || /\S/.test(line)) &&
    !/[^\P{Cc}\t\n]/u.test(text) &&
    text.search(SPECIAL) < 0
  )
}

function block(text: string): string {
  const lines = text.replace(/\n$/, '').split('\n')
  return `${text.endsWith('\n') ? '|' : '|-'}\n${lines.map(line => (line === '' ? '' : `  ${line}`)).join('\n')}`
}
