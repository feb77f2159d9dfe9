import { WritError } from '../../protocol/errors.ts'
import type { SecretRef } from '../../protocol/secret-ref.ts'
import { isVaultError } from '../../vault/error.ts'
import { isRecord, type VaultResponse } from '../../vault/response.ts'
import { Secret } from '../../vault/secret.ts'
import { record } from '../audit/audit.ts'
import type { Hold } from '../store/runs.ts'
import { asUnavailable } from './caller.ts'
import type { Engine } from './engine.ts'
import { keepLease, leaseHash } from './leases.ts'

/** Names to values, as the job gets them. */
export type Secrets = ReadonlyMap<string, Secret>

interface Reading {
  readonly hold: Hold
  readonly token: Secret
  readonly refs: readonly SecretRef[]
  readonly continueOnWarnings: boolean
}

/**
 * Reads what the references name, with the job's own token: each path once, so that the parts of one dynamic credential match
 * (gostint.md §8.1). Every path that is read is in the audit trail before its value is used, and a lease is remembered then.
 */
export async function resolveSecrets(engine: Engine, job: Reading, signal?: AbortSignal): Promise<Secrets> {
  const paths = new Map<string, Record<string, unknown>>()
  for (const [path, refs] of Map.groupBy(job.refs, ref => ref.path)) {
    const answer = await readPath(engine, job, path, signal)
    await keepReading(engine, job.hold, path, refs, answer)
    if (answer.warnings.length && !job.continueOnWarnings) throw new WritError('secret_warnings', path)
    if (!answer.data) throw new WritError('secret_not_found', path)
    paths.set(path, unpack(answer.data))
  }
  // in the order of the references: a later one wins over an earlier one of the same name
  return new Map(job.refs.map(({ name, path, key }) => [name, pickValue(paths.get(path) ?? {}, path, key)]))
}

async function readPath(engine: Engine, job: Reading, path: string, signal?: AbortSignal): Promise<VaultResponse> {
  let answer: VaultResponse | null
  try {
    answer = await engine.vault.send({ method: 'GET', path, token: job.token, signal })
  } catch (error) {
    if (isVaultError(error, 'denied')) throw new WritError('secret_refused', path, { cause: error })
    if (isVaultError(error, 'not_found', 'invalid')) throw new WritError('secret_not_found', path, { cause: error })
    throw asUnavailable(error)
  }
  if (!answer) throw new WritError('secret_not_found', path)
  return answer
}

/** Before anything else can go wrong: a lease that nobody remembers lives for as long as Vault lets it. */
async function keepReading(
  engine: Engine,
  hold: Hold,
  path: string,
  refs: readonly SecretRef[],
  { lease }: VaultResponse,
): Promise<void> {
  const names = refs.map(ref => ref.name)
  const detail = { path, names, ...(lease.id && { lease_sha256: leaseHash(lease.id) }) }
  await engine.db.transaction().execute(async tx => {
    if (lease.id) await keepLease(tx, hold, path, lease)
    await record(tx, { action: 'job.secret_read', job: hold.id, actor: engine.node, detail })
  })
}

/**
 * KV version 2 puts data and metadata side by side; a version 1 secret may have a field called `data` and is none of that. GoStint took what is
 * in such a field for the secret (gostint.md §8.1): references that only work by that go on working.
 */
function unpack(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (!isRecord(data.data)) return data
  return isRecord(data.metadata) ? data.data : { ...data.data, ...data }
}

function pickValue(data: Record<string, unknown>, path: string, key: string): Secret {
  const value = Object.hasOwn(data, key) ? data[key] : undefined
  if (value === undefined || value === null) throw new WritError('secret_not_found', `${path}.${key}`)
  if (!['string', 'number', 'boolean'].includes(typeof value)) throw new WritError('secret_not_text', `${path}.${key}`)
  return new Secret(String(value))
}
