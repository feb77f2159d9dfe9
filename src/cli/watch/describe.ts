import { printable } from '../printable.ts'

/** The part of `<mount>/plan` that people are shown. */
export interface PlanAnswer {
  readonly plan: {
    readonly commit: string
    readonly repository: string
    readonly branch: string
    readonly image: string
    readonly commands: readonly string[]
    readonly requests: readonly {
      readonly name: string
      readonly method: string
      readonly path: string
      readonly wrap_ttl: number
    }[]
    readonly vault: { readonly address: string; readonly role: string } | null
  }
  readonly digest: string
  readonly base: string
  readonly changed: readonly { readonly path: string; readonly change: string }[]
  readonly message: string
  readonly standing: StandingAnswer
}

interface StandingAnswer {
  readonly required: number
  readonly signers: readonly { readonly name: string }[]
  readonly missing: readonly string[]
  readonly refused: readonly { readonly where: string; readonly line?: number; readonly why: string }[]
  readonly unusable: readonly { readonly name: string; readonly why: string }[]
}

/** "2 of 3, waiting for …" */
export function describeStanding({ required, signers, missing, refused, unusable }: StandingAnswer): string {
  if (required === 0) return 'none required'
  const names = signers.map(signer => signer.name)
  const by = names.length > 0 ? ` by ${names.join(', ')}` : ''
  const left = required - signers.length
  const waiting =
    left <= 0
      ? ''
      : missing.length > 0
        ? `, waiting for ${left} of: ${missing.join(', ')}`
        : ', and nobody else can sign'
  const notes = [
    ...refused.map(one => `; a signature of the ${one.where} does not count: ${one.why}`),
    ...unusable.map(one => `; the key of ${one.name} cannot be used: ${one.why}`),
  ]
  return printable(`${names.length} of ${required}${by}${waiting}${notes.join('')}`)
}

const MOST_FILES = 50

/** A plan for people. The message and the names of files are somebody else's text. */
export function describePlan({ plan, digest, base, changed, message, standing }: PlanAnswer): string {
  const files = changed.slice(0, MOST_FILES).map(file => `  ${file.change.padEnd(12)} ${file.path}`)
  const more = changed.length > MOST_FILES ? [`  and ${changed.length - MOST_FILES} more`] : []
  const lines = [
    `commit      ${plan.commit}  (${plan.repository} ${plan.branch})`,
    `            ${message.split('\n')[0] ?? ''}`,
    `image       ${plan.image}`,
    ...plan.commands.map((command, index) => `${index === 0 ? 'commands    ' : '            '}${command}`),
    ...plan.requests.map(
      ({ name, method, path, wrap_ttl }, index) =>
        `${index === 0 ? 'requests    ' : '            '}${name}: ${method} ${path}, wrapped for ${wrap_ttl} s`,
    ),
    ...(plan.vault ? [`vault       ${plan.vault.address} as ${plan.vault.role}`] : []),
    `changes     ${changed.length} files since ${base || 'the beginning'}`,
    ...files,
    ...more,
    `signatures  ${describeStanding(standing)}`,
    `digest      ${digest}`,
  ]
  return `${lines.map(printable).join('\n')}\n`
}
