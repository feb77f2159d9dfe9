import { CidrError, checkBlocks, printBlock } from '../cidr.ts'
import { refuse } from '../errors.ts'
import type { Fields } from '../fields.ts'
import { cleanPolicies } from '../policy/names.ts'
import type { JsonObject } from '../text/json.ts'
import type { Login, LoginLimits } from '../tokens/login.ts'

/** The `token_…` fields that every auth method has: what the tokens of its logins are like. Lifetimes in seconds. */
export interface TokenParams {
  readonly ttl: number
  readonly maxTtl: number
  readonly explicitMaxTtl: number
  readonly period: number
  readonly numUses: number
  readonly policies: readonly string[]
  readonly noDefaultPolicy: boolean
  readonly boundCidrs: readonly string[]
  readonly tokenType: string
  /** Older names under which fields were given; they are shown beside the new ones. */
  readonly oldNames: readonly string[]
}

export const NO_PARAMS: TokenParams = {
  ttl: 0,
  maxTtl: 0,
  explicitMaxTtl: 0,
  period: 0,
  numUses: 0,
  policies: [],
  noDefaultPolicy: false,
  boundCidrs: [],
  tokenType: 'default',
  oldNames: [],
}

const TYPES = ['default', 'service', 'batch', 'default-service', 'default-batch']
const OLD_NAMES = {
  policies: 'policies',
  period: 'period',
  ttl: 'ttl',
  maxTtl: 'max_ttl',
  boundCidrs: 'bound_cidrs',
} as const

/** The parameters as a write leaves them: what it does not name stays. @throws VaultError */
export function changeParams(fields: Fields, before: TokenParams): TokenParams {
  const list = (name: string, kept: readonly string[]) => (fields.has(name) ? fields.list(name) : kept)
  const names = { ...OLD_NAMES }
  const pick = (name: string, old: string) => (fields.has(name) || !fields.has(old) ? name : old)
  const policies = pick('token_policies', names.policies)
  const params: TokenParams = {
    ttl: fields.seconds(pick('token_ttl', names.ttl), before.ttl),
    maxTtl: fields.seconds(pick('token_max_ttl', names.maxTtl), before.maxTtl),
    explicitMaxTtl: fields.seconds('token_explicit_max_ttl', before.explicitMaxTtl),
    period: fields.seconds(pick('token_period', names.period), before.period),
    numUses: fields.integer('token_num_uses', before.numUses),
    policies: fields.has(policies) ? cleanPolicies(fields.list(policies), false) : before.policies,
    noDefaultPolicy: fields.flag('token_no_default_policy', before.noDefaultPolicy),
    boundCidrs: list(pick('token_bound_cidrs', names.boundCidrs), before.boundCidrs),
    tokenType: fields.text('token_type') || before.tokenType,
    oldNames: [...new Set([...before.oldNames, ...Object.values(names).filter(name => fields.has(name))])],
  }
  check(params)
  return { ...params, boundCidrs: params.boundCidrs.map(printBlock) }
}

function check(params: TokenParams): void {
  if (!TYPES.includes(params.tokenType))
    throw refuse(400, `invalid 'token_type' value ${JSON.stringify(params.tokenType)}`)
  for (const [name, value] of Object.entries({
    token_ttl: params.ttl,
    token_max_ttl: params.maxTtl,
    token_period: params.period,
    token_explicit_max_ttl: params.explicitMaxTtl,
    token_num_uses: params.numUses,
  })) {
    if (value < 0) throw refuse(400, `'${name}' cannot be negative`)
  }
  if (params.maxTtl > 0 && params.ttl > params.maxTtl)
    throw refuse(400, `'token_ttl' cannot be greater than 'token_max_ttl'`)
  if (params.tokenType === 'batch' && (params.numUses > 0 || params.period > 0)) {
    throw refuse(400, `'token_type' cannot be 'batch' when set to generate tokens with limited use count or period`)
  }
  try {
    checkBlocks(params.boundCidrs, false)
  } catch (error) {
    if (error instanceof CidrError) throw refuse(400, error.message)
    throw error
  }
}

export function showParams(params: TokenParams): JsonObject {
  const values: Record<string, unknown> = {
    policies: params.policies,
    period: params.period,
    ttl: params.ttl,
    max_ttl: params.maxTtl,
    bound_cidrs: params.boundCidrs,
  }
  return {
    ...Object.fromEntries(params.oldNames.map(name => [name, values[name]])),
    token_bound_cidrs: params.boundCidrs,
    token_explicit_max_ttl: params.explicitMaxTtl,
    token_max_ttl: params.maxTtl,
    token_no_default_policy: params.noDefaultPolicy,
    token_num_uses: params.numUses,
    token_period: params.period,
    token_policies: params.policies,
    token_ttl: params.ttl,
    token_type: params.tokenType,
  }
}

export function limitsOf({ ttl, maxTtl, period, explicitMaxTtl }: TokenParams): LoginLimits {
  return { ttl, maxTtl, period, explicitMaxTtl }
}

/** The part of a login that the parameters decide. */
export function loginOf(params: TokenParams): Omit<Login, 'displayName' | 'metadata' | 'alias' | 'internal'> {
  return {
    ...limitsOf(params),
    policies: params.policies,
    noDefaultPolicy: params.noDefaultPolicy,
    numUses: params.numUses,
    boundCidrs: params.boundCidrs,
    tokenType: params.tokenType,
  }
}
