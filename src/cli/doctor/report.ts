import { stripVTControlCharacters, styleText } from 'node:util'
import { jsonLine } from '../print.ts'
import type { Check, Finding, Profile } from './check.ts'
import type { Machine } from './machine.ts'

export interface Diagnosis {
  readonly check: Check
  readonly finding: Finding
}

/** It is missing, and the doctor knows how to get it. */
export const isMendable = ({ finding }: Diagnosis): boolean => !finding.ok && finding.packages !== undefined

/** One line of JSON, for scripts. */
export function asJson(profile: Profile, diagnoses: readonly Diagnosis[]): string {
  const checks = diagnoses.map(({ check, finding }) => ({ name: check.name, ...finding }))
  return jsonLine({ profile, ok: checks.every(check => check.ok), checks })
}

/** A line for each check, below it what mends it, at the end the next command. */
export function asTable(diagnoses: readonly Diagnosis[], tried: boolean, machine: Machine, profile: Profile): string {
  const lines = diagnoses.flatMap(({ check, finding }) => {
    const mark = finding.ok ? styleText('green', 'ok     ') : styleText('red', 'missing')
    const name = check.name.padEnd(10)
    if (finding.ok) return [`${mark}  ${name}  ${plain(finding.detail)}`]
    return [`${mark}  ${name}  ${plain(finding.cause)}`, `${' '.repeat(21)}→ ${plain(finding.remedy)}`]
  })
  if (diagnoses.every(({ finding }) => finding.ok)) return `${lines.join('\n')}\n`
  if (!diagnoses.some(isMendable)) return `${lines.join('\n')}\n\nDo what the arrows say.\n`
  return `${lines.join('\n')}\n\n${next(tried, machine, profile)}\n`
}

function next(tried: boolean, machine: Machine, profile: Profile): string {
  if (!machine.debian) return 'This is neither Debian nor Ubuntu, so writ cannot mend it: do what the arrows say.'
  if (tried && machine.root) return 'Mending did not help: do what the arrows say.'
  if (!machine.root)
    return `Only root can mend it: sudo writ doctor --mend --for ${profile}, or do what the arrows say.`
  return `Mend it with: writ doctor --mend --for ${profile}`
}

/** A message of somebody else's program goes to the terminal: without what moves its cursor. */
function plain(text: string): string {
  return stripVTControlCharacters(text).replace(/\s+/g, ' ').trim()
}
