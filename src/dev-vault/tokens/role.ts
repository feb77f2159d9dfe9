import { CidrError, checkBlocks, printBlock } from '../cidr.ts'
import { refuse } from '../errors.ts'
import type { Fields } from '../fields.ts'
import { cleanPolicies, isSubset, quoted } from '../policy/names.ts'
import type { JsonObject } from '../text/json.ts'

/** A role of the token store: what tokens made by it are like. Lifetimes in seconds. */
export interface TokenRole {
  readonly name: string
  readonly allowed: readonly string[]
  readonly disallowed: readonly string[]
  readonly orphan: boolean
  readonly renewable: boolean
  readonly pathSuffix: string
  readonly period: number
  readonly explicitMaxTtl: number
  readonly boundCidrs: readonly string[]
  readonly numUses: number
  readonly noDefaultPolicy: boolean
  readonly tokenType: string
}

const TYPES = ['service', 'batch', 'default-service', 'default-batch']

/** The role as a write leaves it: what the write does not name stays. */
export function changeRole(name: string, fields: Fields, before: TokenRole | undefined): TokenRole {
  const kept = <T>(names: string[], read: (given: string) => T, otherwise: T): T => {
    const given = fields.given(...names)
    return given === undefined ? otherwise : read(given)
  }
  const list = (field: string) => cleanPolicies(fields.list(field), false)
  const seconds = (field: string) => fields.seconds(field)
  const role: TokenRole = {
    name,
    allowed: kept(['allowed_policies'], list, before?.allowed ?? []),
    disallowed: kept(['disallowed_policies'], list, before?.disallowed ?? []),
    orphan: fields.flag('orphan', before?.orphan ?? false),
    renewable: fields.flag('renewable', before?.renewable ?? true),
    pathSuffix: fields.text('path_suffix', before?.pathSuffix),
    period: kept(['token_period', 'period'], seconds, before?.period ?? 0),
    explicitMaxTtl: kept(['token_explicit_max_ttl', 'explicit_max_ttl'], seconds, before?.explicitMaxTtl ?? 0),
    boundCidrs: kept(['token_bound_cidrs', 'bound_cidrs'], field => fields.list(field), before?.boundCidrs ?? []),
    numUses: fields.integer('token_num_uses', before?.numUses),
    noDefaultPolicy: fields.flag('token_no_default_policy', before?.noDefaultPolicy ?? false),
    tokenType: fields.text('token_type', before?.tokenType ?? 'default-service'),
  }
  check(role)
  return { ...role, boundCidrs: role.boundCidrs.map(printBlock) }
}

function check(role: TokenRole): void {
  if (!TYPES.includes(role.tokenType)) throw refuse(400, `invalid 'token_type' value ${JSON.stringify(role.tokenType)}`)
  if (role.pathSuffix !== '' && !/^\w[\w.-]+\w$/.test(role.pathSuffix)) {
    throw refuse(400, 'given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w')
  }
  if (role.period < 0 || role.explicitMaxTtl < 0) throw refuse(400, 'lifetimes of a role cannot be negative')
  try {
    checkBlocks(role.boundCidrs, false)
  } catch (error) {
    if (error instanceof CidrError) throw refuse(400, error.message)
    throw error
  }
}

export function showRole(role: TokenRole): JsonObject {
  return {
    allowed_entity_aliases: null,
    allowed_policies: role.allowed,
    disallowed_policies: role.disallowed,
    explicit_max_ttl: 0,
    name: role.name,
    orphan: role.orphan,
    path_suffix: role.pathSuffix,
    period: 0,
    renewable: role.renewable,
    token_explicit_max_ttl: role.explicitMaxTtl,
    token_period: role.period,
    token_type: role.tokenType,
    ...(role.boundCidrs.length > 0 && { token_bound_cidrs: role.boundCidrs }),
    ...(role.numUses > 0 && { token_num_uses: role.numUses }),
    ...(role.noDefaultPolicy && { token_no_default_policy: true }),
  }
}

/** The policies of a token made by a role that names some: they need not be among the parent's. */
export function rolePolicies(
  role: TokenRole,
  asked: readonly string[],
  parents: readonly string[],
  wantDefault: boolean,
): string[] {
  const addDefault = wantDefault && !role.noDefaultPolicy && !role.disallowed.includes('default')
  let policies = asked.length > 0 ? cleanPolicies(asked, addDefault) : []
  if (role.allowed.length > 0) {
    const allowed = cleanPolicies(role.allowed, addDefault)
    if (policies.length === 0) policies = allowed
    else if (!isSubset(policies, allowed)) {
      throw refuse(
        400,
        `token policies (${quoted(policies)}) must be subset of the role's allowed policies (${quoted(allowed)})`,
      )
    }
  } else if (policies.length === 0) policies = cleanPolicies(parents, addDefault)
  const refused = policies.find(name => role.disallowed.includes(name))
  if (refused) throw refuse(400, `token policy ${JSON.stringify(refused)} is disallowed by this role`)
  return policies
}
