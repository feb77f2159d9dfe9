import { timingSafeEqual } from 'node:crypto'
import type { Core } from '../core.ts'
import { refuse, VaultError } from '../errors.ts'
import { parseFlag } from '../fields.ts'
import type { Answer } from '../routing/backend.ts'
import type { VaultRequest } from '../routing/request.ts'
import type { JsonObject } from '../text/json.ts'

/** What the server says it is: the behaviour is that of this version. */
const VERSION = '1.8.0-dev'
const CLUSTER = 'vault-cluster-dev'

type StatusPath = (core: Core, request: VaultRequest) => Answer

/** Paths that answer without a token and without the envelope, sealed or not, and which verbs they take. */
const PATHS: Record<string, { readonly read?: StatusPath; readonly update?: StatusPath }> = {
  'sys/health': { read: health },
  'sys/seal-status': { read: core => ({ bare: sealStatus(core) }) },
  'sys/init': { read: () => ({ bare: { initialized: true } }), update: initialise },
  'sys/leader': { read: leader },
  'sys/unseal': { update: unseal },
}

/** The answer of a status path; nothing for any other path. @throws VaultError 405 for another verb */
export function statusAnswer(core: Core, request: VaultRequest): Answer | undefined {
  const path = Object.hasOwn(PATHS, request.path) ? PATHS[request.path] : undefined
  if (!path || request.operation === 'help') return undefined
  const act = request.operation === 'read' ? path.read : request.operation === 'update' ? path.update : undefined
  if (!act) throw new VaultError(405, [])
  return act(core, request)
}

function health(core: Core, { data }: VaultRequest): Answer {
  const code = (name: string, usual: number): number => {
    if (data[name] === undefined) return usual
    if (!/^\d{3}$/.test(String(data[name]))) throw refuse(400, `Invalid status code: ${name} must be a number`)
    return Number(data[name])
  }
  const [active, sealed] = [code('activecode', 200), code('sealedcode', 503)]
  return {
    status: core.sealed ? sealed : active,
    bare: {
      initialized: true,
      sealed: core.sealed,
      standby: false,
      performance_standby: false,
      replication_performance_mode: 'disabled',
      replication_dr_mode: 'disabled',
      server_time_utc: Math.trunc(core.clock.now() / 1000),
      version: VERSION,
      cluster_name: CLUSTER,
      cluster_id: core.clusterId,
    },
  }
}

function sealStatus(core: Core): JsonObject {
  return {
    type: 'shamir',
    initialized: true,
    sealed: core.sealed,
    t: 1,
    n: 1,
    progress: 0,
    nonce: '',
    version: VERSION,
    migration: false,
    // A sealed server cannot read what its cluster is called.
    ...(core.sealed ? {} : { cluster_name: CLUSTER, cluster_id: core.clusterId }),
    recovery_seal: false,
    storage_type: 'inmem',
  }
}

function initialise(_core: Core, { data }: VaultRequest): Answer {
  if (Number(data.secret_threshold) > Number(data.secret_shares)) {
    throw refuse(400, 'invalid seal configuration: threshold cannot be larger than shares')
  }
  throw refuse(400, 'Vault is already initialized')
}

function leader(): Answer {
  return {
    bare: {
      ha_enabled: false,
      is_self: false,
      leader_address: '',
      leader_cluster_address: '',
      performance_standby: false,
      performance_standby_last_remote_wal: 0,
    },
  }
}

function unseal(core: Core, { data }: VaultRequest): Answer {
  const key = typeof data.key === 'string' ? data.key : ''
  const reset = parseFlag(data.reset) ?? false
  if (key === '' && !reset) throw refuse(400, `'key' must be specified in request body as JSON, or 'reset' set to true`)
  if (core.sealed && !reset) {
    if (!sameKey(key, core.unsealKey)) throw refuse(400, 'Unseal failed, invalid key')
    core.sealed = false
  }
  return { bare: sealStatus(core) }
}

function sameKey(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
