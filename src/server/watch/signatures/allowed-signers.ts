import { NotASignature, readBase64 } from './armor.ts'
import { readSshKey, type SshKey } from './ssh-key.ts'

export interface AllowedKey {
  readonly key: SshKey
  /** In front of the key; empty for a bare line of a public key. */
  readonly principals: string
  readonly validAfter: Date | undefined
  readonly validBefore: Date | undefined
  /** Is the namespace `git` among those that the line allows? */
  readonly forGit: boolean
}

const KEY = /(?:^|\s)((?:ssh|ecdsa|sk)-[a-z0-9@.-]+)\s+([A-Za-z0-9+/]+={0,2})(?:\s.*)?$/
const OPTION = /^([a-z-]+)(?:="([^"]*)")?$/

/**
 * The keys in lines of an allowed_signers file (ssh-keygen(1)) or of public keys. Throws `NotASignature` for anything in
 * it that is not understood: an option that is skipped may be the one that limits the key.
 */
export function readAllowedSigners(text: string): AllowedKey[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(readLine)
}

function readLine(line: string): AllowedKey {
  const match = KEY.exec(line)
  if (!match) throw new NotASignature('a line without a public ssh key')
  const key = readSshKey(readBase64(match[2] as string))
  if (key.type !== match[1]) throw new NotASignature('the kind of a key is not what its line says')
  const words = line.slice(0, match.index).match(/(?:[^\s"]|"[^"]*")+/g) ?? []
  const [principals = '', ...rest] = words
  if (rest.length > 1) throw new NotASignature('a line with more than principals, options and a key')
  if (/["=]/.test(principals)) throw new NotASignature('options without principals in front')
  if (/[*?!]/.test(principals)) throw new NotASignature('a pattern in place of a name: a key belongs to one person')
  const options = readOptions(rest[0])
  return {
    key,
    principals,
    validAfter: date(options.get('valid-after')),
    validBefore: date(options.get('valid-before')),
    forGit: namespacesAllow(options.get('namespaces')),
  }
}

function readOptions(text: string | undefined): Map<string, string> {
  const options = new Map<string, string>()
  for (const item of text?.match(/(?:[^,"]|"[^"]*")+/g) ?? []) {
    const [, name, value] = OPTION.exec(item) ?? []
    const known = name === 'namespaces' || name === 'valid-after' || name === 'valid-before'
    if (!known || value === undefined || options.has(name)) {
      throw new NotASignature(`an option that is not accepted: ${name ?? 'malformed'}`)
    }
    options.set(name, value)
  }
  return options
}

function namespacesAllow(list: string | undefined): boolean {
  if (list === undefined) return true
  const names = list.split(',').map(name => name.trim())
  if (names.some(name => /[*?!]/.test(name) && name !== '*')) throw new NotASignature('a pattern of namespaces')
  return names.includes('git') || names.includes('*')
}

/** YYYYMMDD[HHMM[SS]][Z]; without the Z, ssh-keygen takes the local time and we take UTC, as servers run on it. */
function date(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const [, year, month, day, hour = '00', minute = '00', second = '00'] =
    /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?Z?$/.exec(text) ?? []
  const made = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(made.getTime())) throw new NotASignature('a date that is none')
  return made
}
