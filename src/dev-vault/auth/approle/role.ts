import { CidrError, checkBlocks } from '../../cidr.ts'
import { fail, refuse } from '../../errors.ts'
import type { Fields } from '../../fields.ts'
import { uuid } from '../../text/ids.ts'
import type { JsonObject } from '../../text/json.ts'
import { changeParams, NO_PARAMS, showParams, type TokenParams } from '../token-params.ts'
import { SecretIds } from './secret-ids.ts'

/** A role, and the secret ids that were made for it. Lifetimes in seconds. */
export interface Role {
  readonly name: string
  readonly roleId: string
  readonly bindSecretId: boolean
  readonly localSecretIds: boolean
  readonly secretIdBoundCidrs: readonly string[] | null
  readonly secretIdNumUses: number
  readonly secretIdTtl: number
  readonly params: TokenParams
  readonly secretIds: SecretIds
}

export function newRole(name: string): Role {
  return {
    name,
    roleId: uuid(),
    bindSecretId: true,
    localSecretIds: false,
    secretIdBoundCidrs: null,
    secretIdNumUses: 0,
    secretIdTtl: 0,
    params: NO_PARAMS,
    secretIds: new SecretIds(),
  }
}

/** The role as a write leaves it. @throws VaultError */
export function changeRole(before: Role, fields: Fields, created: boolean): Role {
  if (!created && fields.has('local_secret_ids') && fields.flag('local_secret_ids') !== before.localSecretIds) {
    throw refuse(400, 'local_secret_ids can only be modified during role creation')
  }
  const cidrs = fields.given('secret_id_bound_cidrs', 'bound_cidr_list')
  const role: Role = {
    ...before,
    roleId: fields.text('role_id') || before.roleId,
    bindSecretId: fields.flag('bind_secret_id', before.bindSecretId),
    localSecretIds: fields.flag('local_secret_ids', before.localSecretIds),
    secretIdBoundCidrs: cidrs ? fields.list(cidrs) : before.secretIdBoundCidrs,
    secretIdNumUses: fields.integer('secret_id_num_uses', before.secretIdNumUses),
    secretIdTtl: fields.seconds('secret_id_ttl', before.secretIdTtl),
    params: changeParams(fields, before.params),
  }
  if (role.secretIdNumUses < 0) throw refuse(400, 'secret_id_num_uses cannot be negative')
  if (role.secretIdTtl < 0) throw refuse(400, 'secret_id_ttl cannot be negative')
  const bound = (role.secretIdBoundCidrs?.length ?? 0) + role.params.boundCidrs.length
  if (!role.bindSecretId && bound === 0) throw fail(400, 'at least one constraint should be enabled on the role')
  checkCidrs(role.secretIdBoundCidrs ?? [])
  return role
}

/** @throws VaultError */
export function checkCidrs(blocks: readonly string[]): void {
  try {
    checkBlocks(blocks, true)
  } catch (error) {
    if (error instanceof CidrError) throw fail(400, `failed to validate CIDR blocks: ${error.message}`)
    throw error
  }
}

export function showRole(role: Role): JsonObject {
  return {
    ...showParams(role.params),
    bind_secret_id: role.bindSecretId,
    local_secret_ids: role.localSecretIds,
    secret_id_bound_cidrs: role.secretIdBoundCidrs,
    secret_id_num_uses: role.secretIdNumUses,
    secret_id_ttl: role.secretIdTtl,
  }
}

/** Paths of single fields: what they show, and the value a DELETE puts back. */
export const FIELD_PATHS: Readonly<Record<string, { readonly shows: readonly string[]; readonly reset: JsonObject }>> =
  {
    policies: { shows: ['token_policies', 'policies'], reset: { token_policies: [] } },
    'local-secret-ids': { shows: ['local_secret_ids'], reset: {} },
    'bound-cidr-list': { shows: ['secret_id_bound_cidrs'], reset: { secret_id_bound_cidrs: [] } },
    'secret-id-bound-cidrs': { shows: ['secret_id_bound_cidrs'], reset: { secret_id_bound_cidrs: [] } },
    'token-bound-cidrs': { shows: ['token_bound_cidrs'], reset: { token_bound_cidrs: [] } },
    'bind-secret-id': { shows: ['bind_secret_id'], reset: { bind_secret_id: true } },
    'secret-id-num-uses': { shows: ['secret_id_num_uses'], reset: { secret_id_num_uses: 0 } },
    'secret-id-ttl': { shows: ['secret_id_ttl'], reset: { secret_id_ttl: 0 } },
    period: { shows: ['token_period', 'period'], reset: { token_period: 0 } },
    'token-num-uses': { shows: ['token_num_uses'], reset: { token_num_uses: 0 } },
    'token-ttl': { shows: ['token_ttl'], reset: { token_ttl: 0 } },
    'token-max-ttl': { shows: ['token_max_ttl'], reset: { token_max_ttl: 0 } },
  }
