import { refuse } from '../../errors.ts'
import type { Fields } from '../../fields.ts'
import type { JsonObject } from '../../text/json.ts'

/** What credentials of a role are like. Lifetimes in seconds, 0 for those of the mount. */
export interface Role {
  readonly dbName: string
  readonly creation: readonly string[]
  readonly revocation: readonly string[]
  readonly rollback: readonly string[]
  readonly renew: readonly string[]
  readonly defaultTtl: number
  readonly maxTtl: number
}

/** The role as a write leaves it: what the write does not name stays. @throws VaultError */
export function changeRole(fields: Fields, before: Role | undefined): Role {
  const statements = (name: string, kept: readonly string[] = []) => (fields.has(name) ? fields.statements(name) : kept)
  const role: Role = {
    dbName: fields.text('db_name', before?.dbName),
    creation: statements('creation_statements', before?.creation),
    revocation: statements('revocation_statements', before?.revocation),
    rollback: statements('rollback_statements', before?.rollback),
    renew: statements('renew_statements', before?.renew),
    defaultTtl: fields.seconds('default_ttl', before?.defaultTtl),
    maxTtl: fields.seconds('max_ttl', before?.maxTtl),
  }
  if (role.dbName === '') throw refuse(400, 'database name is required')
  if (role.maxTtl > 0 && role.defaultTtl > role.maxTtl) throw refuse(400, 'default_ttl exceeds max_ttl')
  return role
}

export function showRole(role: Role): JsonObject {
  return {
    creation_statements: role.creation,
    db_name: role.dbName,
    default_ttl: role.defaultTtl,
    max_ttl: role.maxTtl,
    renew_statements: role.renew,
    revocation_statements: role.revocation,
    rollback_statements: role.rollback,
  }
}
