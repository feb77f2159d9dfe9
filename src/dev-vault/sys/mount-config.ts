import { refuse } from '../errors.ts'
import { Fields } from '../fields.ts'
import type { Mount, MountConfig } from '../routing/backend.ts'
import { DurationError, parseSeconds } from '../text/duration.ts'
import { isObject, type JsonObject } from '../text/json.ts'

/** Lists among the settings that are only stored and shown. */
const SHOWN_LISTS = [
  'audit_non_hmac_request_keys',
  'audit_non_hmac_response_keys',
  'passthrough_request_headers',
  'allowed_response_headers',
]

/** The `config` of a new mount. @throws VaultError */
export function newConfig(value: unknown): Partial<MountConfig> {
  const fields = new Fields(isObject(value) ? value : {})
  const defaultLeaseTtl = ttlOf(fields.raw('default_lease_ttl'), 'default')
  const maxLeaseTtl = ttlOf(fields.raw('max_lease_ttl'), 'max')
  if (maxLeaseTtl > 0 && defaultLeaseTtl > maxLeaseTtl) {
    throw refuse(400, 'given default lease TTL greater than given max lease TTL')
  }
  return { defaultLeaseTtl, maxLeaseTtl, tokenType: tokenType(fields, 'default-service'), shown: shownOf(fields, {}) }
}

function ttlOf(value: unknown, which: string): number {
  try {
    return value === 'system' ? 0 : parseSeconds(value)
  } catch (error) {
    if (!(error instanceof DurationError)) throw error
    throw refuse(400, `unable to parse ${which} TTL of ${String(value)}: ${error.message}`)
  }
}

/** The configuration as tuning leaves it. @throws VaultError */
export function tunedConfig(fields: Fields, mount: Mount, systemMax: number): MountConfig {
  const given = (name: string, before: number) => (fields.has(name) ? tunedTtl(fields.raw(name)) : before)
  const defaultLeaseTtl = given('default_lease_ttl', mount.config.defaultLeaseTtl)
  const maxLeaseTtl = given('max_lease_ttl', mount.config.maxLeaseTtl)
  const max = maxLeaseTtl || systemMax
  if (defaultLeaseTtl > max) {
    throw refuse(
      400,
      `backend max lease TTL of ${max} would be less than backend default lease TTL of ${defaultLeaseTtl}`,
    )
  }
  return {
    defaultLeaseTtl,
    maxLeaseTtl,
    tokenType: tokenType(fields, mount.config.tokenType),
    shown: shownOf(fields, mount.config.shown),
  }
}

function tunedTtl(value: unknown): number {
  try {
    return value === 'system' ? 0 : parseSeconds(value)
  } catch (error) {
    if (error instanceof DurationError) throw refuse(400, error.message)
    throw error
  }
}

function tokenType(fields: Fields, otherwise: string): string {
  const type = fields.text('token_type') || otherwise
  if (['default-service', 'default-batch', 'service', 'batch'].includes(type)) return type
  throw refuse(400, `invalid value for 'token_type': ${type}`)
}

function shownOf(fields: Fields, before: JsonObject): JsonObject {
  const shown: JsonObject = { ...before }
  for (const name of SHOWN_LISTS) if (fields.has(name)) shown[name] = fields.list(name)
  if (fields.has('listing_visibility')) shown.listing_visibility = fields.text('listing_visibility')
  return shown
}

/** A mount as the listings show it. */
export function showMount(mount: Mount): JsonObject {
  return {
    accessor: mount.accessor,
    config: {
      default_lease_ttl: mount.config.defaultLeaseTtl,
      force_no_cache: false,
      max_lease_ttl: mount.config.maxLeaseTtl,
      ...(mount.path.startsWith('auth/') && { token_type: mount.config.tokenType }),
      ...mount.config.shown,
    },
    description: mount.description,
    external_entropy_access: mount.externalEntropyAccess,
    local: mount.local,
    options: mount.options,
    seal_wrap: mount.sealWrap,
    type: mount.type,
    uuid: mount.uuid,
  }
}

/** What reading the tuning answers: the lifetimes in force. */
export function showTuning(mount: Mount, ttls: { mountDefault: number; mountMax: number }): JsonObject {
  return {
    default_lease_ttl: ttls.mountDefault,
    description: mount.description,
    force_no_cache: false,
    max_lease_ttl: ttls.mountMax,
    ...(mount.options && { options: mount.options }),
    ...(mount.path.startsWith('auth/') && { token_type: mount.config.tokenType }),
    ...mount.config.shown,
  }
}
