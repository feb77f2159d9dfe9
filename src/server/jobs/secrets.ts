import { WritError } from '../../protocol/errors.ts'
import type { SecretRef } from '../../protocol/secret-ref.ts'
import { isVaultError } from '../../vault/error.ts'
import { isRecord, type VaultResponse } from '../../vault/response.ts'
import { Secret } from '../../vault/secret.ts'
import { record } from '../audit/audit.ts'
import { asUnavailable } from './caller.ts'
import type { Engine } from './engine.ts'

/** Names to values, as the job gets them. */
export type Secrets = ReadonlyMap<string, Secret>

/**
 * Reads what the references name, with the job's own token: each path once, so that the parts of one dynamic credential match
 * (gostint.md §8.1). Every path that is read is in the audit trail before its value is used.
 */
export async function resolveSecrets(
  engine: Engine,
  job: { id: string; token: Secret; refs: readonly SecretRef[]; continueOnWarnings: boolean },
  signal?: AbortSignal,
): Promise<Secrets> {
  const paths = new Map<string, Record<string, unknown>>()
  for (const [path, refs] of Map.groupBy(job.refs, ref => ref.path)) {
    paths.set(path, await readPath(engine, job, path, signal))
    const names = refs.map(ref => ref.name)
    await record(engine.db, { action: 'job.secret_read', job: job.id, actor: engine.node, detail: { path, names } })
  }
  // in the order of the references: a later one wins over an earlier one of the same name, also over TOKEN
  const values = job.refs.map(({ name, path, key }) => [name, pickValue(paths.get(path) ?? {}, path, key)] as const)
  return new Map([['TOKEN', job.token], ...values])
}

async function readPath(
  engine: Engine,
  job: { token: Secret; continueOnWarnings: boolean },
  path: string,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  let answer: VaultResponse | null
  try {
    answer = await engine.vault.send({ method: 'GET', path, token: job.token, signal })
  } catch (error) {
    if (isVaultError(error, 'denied')) throw new WritError('secret_refused', path, { cause: error })
    if (isVaultError(error, 'not_found', 'invalid')) throw new WritError('secret_not_found', path, { cause: error })
    throw asUnavailable(error)
  }
  if (answer?.warnings.length && !job.continueOnWarnings) throw new WritError('secret_warnings', path)
  if (!answer?.data) throw new WritError('secret_not_found', path)
  return unpack(answer.data)
}

/** KV version 2 puts data and metadata side by side; a version 1 secret may have a field called `data` and is none of that. */
function unpack(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return isRecord(data.data) && isRecord(data.metadata) ? data.data : data
}

function pickValue(data: Record<string, unknown>, path: string, key: string): Secret {
  const value = Object.hasOwn(data, key) ? data[key] : undefined
  if (value === undefined || value === null) throw new WritError('secret_not_found', `${path}.${key}`)
  if (!['string', 'number', 'boolean'].includes(typeof value)) throw new WritError('secret_not_text', `${path}.${key}`)
  return new Secret(String(value))
}
