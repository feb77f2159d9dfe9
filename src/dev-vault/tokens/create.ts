import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import type { Fields } from '../fields.ts'
import { cleanPolicies, isSubset } from '../policy/names.ts'
import type { Answer, Call, Caller } from '../routing/backend.ts'
import { isObject } from '../text/json.ts'
import type { TokenType } from './entry.ts'
import { rolePolicies, type TokenRole } from './role.ts'
import { authBlock } from './show.ts'
import { decideTtl } from './ttl.ts'

/** `auth/token/create` and its relatives: by a role, or as an orphan. */
export function createToken(core: Core, call: Call, orphan: boolean, role?: TokenRole): Answer {
  const { fields } = call
  const caller = call.caller as Caller
  const sudo = caller.acl.hasSudo(call.request.path)
  checkParent(caller)
  const type = typeOf(fields, role)
  const id = chosenId(core, fields, sudo)
  const numUses = fields.integer('num_uses') || (role?.numUses ?? 0)
  if (numUses < 0) throw refuse(400, 'number of uses cannot be negative')
  const period = periodOf(fields, sudo, role)
  const explicitMaxTtl = role?.explicitMaxTtl || positive(fields, 'explicit_max_ttl')
  if (type === 'batch') checkBatch({ num_uses: numUses, period, explicit_max_ttl: explicitMaxTtl })
  const policies = policiesOf(fields, caller, sudo, role)
  checkPolicies(policies, caller, type)
  if (fields.flag('no_parent') && !sudo && !role)
    throw refuse(400, 'root or sudo privileges required to create orphan token')
  const parent = (role ? role.orphan : orphan || fields.flag('no_parent')) ? undefined : caller.token
  const wantedTtl = positive(fields, fields.has('ttl') ? 'ttl' : 'lease')
  // Only a root token may live for ever, and only when it asks for nothing else.
  const endless = policies.includes('root') && wantedTtl === 0 && period === 0 && explicitMaxTtl === 0
  const { ttl, warnings } = endless
    ? { ttl: 0, warnings: [] }
    : decideTtl({ ttl: wantedTtl, period, maxTtl: 0, explicitMaxTtl, ...core.ttlsOf(call.mount), age: 0 })
  const token = core.tokens.create({
    ...(id === undefined ? {} : { id }),
    type,
    policies,
    path: role?.pathSuffix ? `${call.request.path}/${role.pathSuffix}` : call.request.path,
    meta: metaOf(fields),
    displayName: displayName(fields.text('display_name')),
    ttl,
    explicitMaxTtl,
    period,
    renewable: role ? role.renewable : fields.flag('renewable', true),
    role: role?.name ?? '',
    entityId: parent?.entityId ?? '',
    boundCidrs: role?.boundCidrs ?? [],
    numUses,
    parent,
  })
  const unknown = policies
    .filter(name => !core.policies.has(name))
    .map(name => `Policy ${JSON.stringify(name)} does not exist`)
  return { auth: authBlock(token, ttl), warnings: [...unknown, ...warnings] }
}

function checkParent({ token }: Caller): void {
  if (token.type === 'batch') throw refuse(400, 'batch tokens cannot create more tokens')
  if (token.numUses !== 0) throw refuse(400, 'restricted use token cannot generate child tokens')
}

function typeOf(fields: Fields, role: TokenRole | undefined): TokenType {
  const asked = fields.text('type')
  if (!['', 'service', 'batch', 'default', 'default-service', 'default-batch'].includes(asked)) {
    throw refuse(400, `invalid 'token_type' value`)
  }
  if (role?.tokenType === 'batch' || role?.tokenType === 'service') return role.tokenType
  if (asked === 'batch' || asked === 'service') return asked
  return role?.tokenType === 'default-batch' ? 'batch' : 'service'
}

function chosenId(core: Core, fields: Fields, sudo: boolean): string | undefined {
  const id = fields.text('id')
  if (id === '') return undefined
  if (!sudo) throw refuse(400, 'root or sudo privileges required to specify token id')
  if (id.startsWith('s.')) throw refuse(400, `custom token ID cannot have the 's.' prefix`)
  if (id.includes('.')) throw refuse(400, `custom token ID cannot have a '.' in the value`)
  if (core.tokens.find(id)) throw refuse(400, 'cannot create a token with a duplicate ID')
  return id
}

function periodOf(fields: Fields, sudo: boolean, role: TokenRole | undefined): number {
  const asked = positive(fields, 'period')
  if (asked > 0 && !sudo) throw refuse(400, 'root or sudo privileges required to create periodic token')
  return role?.period || asked
}

/** A duration that may be absent but not negative. */
function positive(fields: Fields, name: string): number {
  let seconds: number
  try {
    seconds = fields.seconds(name)
  } catch (error) {
    throw refuse(400, (error as Error).message.replace(/^error converting .*? for field "\w+": /, ''))
  }
  if (seconds < 0) throw refuse(400, `${name} must be positive`)
  return seconds
}

function checkBatch(limits: Record<string, number>): void {
  for (const [name, value] of Object.entries(limits)) {
    if (value > 0) throw refuse(400, `batch tokens cannot have "${name}" set`)
  }
}

function policiesOf(fields: Fields, caller: Caller, sudo: boolean, role: TokenRole | undefined): string[] {
  // Not `list`: comma-separated text is one odd name here.
  const raw = fields.raw('policies')
  const asked = (Array.isArray(raw) ? raw : raw === undefined || raw === null ? [] : [raw]).map(String)
  const addDefault = !fields.flag('no_default_policy')
  if (role && role.allowed.length + role.disallowed.length > 0)
    return rolePolicies(role, asked, caller.token.policies, addDefault)
  const parents = caller.token.policies
  if (asked.length === 0) return cleanPolicies(parents, false)
  if (sudo) return cleanPolicies(asked, addDefault)
  const wanted = cleanPolicies(asked, false)
  if (!isSubset(wanted, parents)) throw refuse(400, 'child policies must be subset of parent')
  return cleanPolicies(wanted, addDefault && parents.includes('default'))
}

function checkPolicies(policies: readonly string[], caller: Caller, type: TokenType): void {
  const internal = policies.find(name => name === 'response-wrapping' || name === 'control-group')
  if (internal) throw refuse(400, `cannot assign policy "${internal}"`)
  if (!policies.includes('root')) return
  // A sudo capability alone must not make a root token.
  if (!caller.acl.root) throw refuse(400, 'root tokens may not be created without parent token being root')
  if (type === 'batch') throw refuse(400, 'batch tokens cannot be root tokens')
}

function metaOf(fields: Fields): Record<string, string> | null {
  const meta = fields.raw('meta')
  if (!isObject(meta)) return null
  return Object.fromEntries(Object.entries(meta).map(([key, value]) => [key, String(value)]))
}

function displayName(asked: string): string {
  return asked === '' ? 'token' : `token-${asked}`.replace(/[^a-zA-Z0-9-]/g, '-').replace(/-$/, '')
}
