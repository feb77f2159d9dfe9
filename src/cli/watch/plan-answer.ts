import { WritError } from '../../protocol/errors.ts'
import { digestOf, type Plan } from '../../protocol/watch-plan.ts'
import { isRecord } from '../../vault/response.ts'

/** What `<mount>/plan` answers. */
export interface PlanAnswer {
  readonly plan: Plan
  readonly digest: string
  /** What signatures of the commit are over. */
  readonly object: string
  readonly base: string
  readonly changed: readonly { readonly path: string; readonly change: string }[]
  readonly message: string
  /** What else is fetched; servers of before have none. */
  readonly fetches?: FetchesAnswer
  readonly standing: StandingAnswer
}

export interface FetchesAnswer {
  readonly submodules: readonly { readonly path: string; readonly url: string; readonly id: string }[]
  readonly lfs: { readonly files: number; readonly bytes: number } | null
  readonly refused: string
}

export interface StandingAnswer {
  readonly required: number
  readonly signers: readonly { readonly name: string }[]
  readonly missing: readonly string[]
  readonly refused: readonly { readonly where: string; readonly line?: number; readonly why: string }[]
  readonly unusable: readonly { readonly name: string; readonly why: string }[]
}

type Kind = 'text' | 'number' | 'record' | readonly [Kind] | Shape
type Shape = { readonly [field: string]: Kind }

const REQUEST: Shape = { name: 'text', path: 'text', method: 'text', options: 'record', wrap_ttl: 'number' }
const VAULT: Shape = {
  address: 'text',
  tls_server_name: 'text',
  cacert: 'text',
  approle_mount_point: 'text',
  role: 'text',
  role_id: 'text',
}
const KUBERNETES: Shape = {
  namespace: 'text',
  template: 'text',
  vaults: [{ name: 'text', url: 'text', vault_cacert: 'text' }],
}
const PLAN: Shape = {
  format: 'text',
  watch: 'text',
  repository: 'text',
  branch: 'text',
  commit: 'text',
  image: 'text',
  commands: ['text'],
  requests: [REQUEST],
}

/**
 * The digest of a plan, made here from what people are shown of it. The attack: a server, or whoever answers in its place, shows a
 * harmless plan beside the digest of another, and people sign that. Nothing may be in it that is not shown either. Throws
 * `plan_not_trusted`.
 */
export function digestOfShown({ plan, digest }: PlanAnswer, watch: string): string {
  const { vault, kubernetes, ...rest } = plan
  const known = (vault === null || fits(vault, VAULT)) && (!('kubernetes' in plan) || fits(kubernetes, KUBERNETES))
  if (!fits(rest, PLAN) || !known || plan.format !== 'writ-plan-1')
    throw new WritError('plan_not_trusted', 'a plan of another format')
  // `a-b` and `a_b` are one name
  if (plan.watch.replaceAll('-', '_') !== watch.replaceAll('-', '_'))
    throw new WritError('plan_not_trusted', 'the plan of another watch')
  const own = digestOf(plan)
  if (own !== digest) throw new WritError('plan_not_trusted', `the digest of the plan is ${own}, and not ${digest}`)
  return own
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === 'text') return typeof value === 'string'
  if (kind === 'number') return typeof value === 'number'
  if (kind === 'record') return isRecord(value)
  if (isList(kind)) return Array.isArray(value) && value.every(item => fits(item, kind[0]))
  if (!isRecord(value)) return false
  const fields = Object.keys(kind)
  return Object.keys(value).length === fields.length && fields.every(field => fits(value[field], kind[field] as Kind))
}

function isList(kind: Kind): kind is readonly [Kind] {
  return Array.isArray(kind)
}
