import { createHash } from 'node:crypto'
import { WritError } from '../../protocol/errors.ts'
import { isCapable } from '../../vault/capabilities.ts'
import type { Vault } from '../../vault/client.ts'
import { isVaultError } from '../../vault/error.ts'
import type { Secret } from '../../vault/secret.ts'
import { lookupSelf } from '../../vault/token.ts'
import type { Job } from '../store/jobs.ts'

/** Who calls, as Vault knows them. */
export interface Caller {
  readonly token: Secret
  readonly name: string
  /** Empty for tokens without an identity. */
  readonly entity: string
  readonly accessorHash: string
}

/** Asks Vault who holds this token (gostint.md §2.2). Throws `token_missing`, `token_refused`, `vault_unavailable`. */
export async function identifyCaller(vault: Vault, token: Secret | null, signal?: AbortSignal): Promise<Caller> {
  if (!token) throw new WritError('token_missing')
  try {
    const facts = await lookupSelf(vault, token, signal)
    return {
      token,
      name: facts.displayName,
      entity: facts.entityId,
      // an accessor can be used to revoke its token: what is stored must not be usable for that. The attack: batch tokens have
      // none, and if nothing were hashed, each of them would own the jobs of all others
      accessorHash: createHash('sha256')
        .update(facts.accessor || `batch ${token.reveal()}`)
        .digest('hex'),
    }
  } catch (error) {
    if (isVaultError(error, 'denied', 'invalid')) throw new WritError('token_refused', undefined, { cause: error })
    throw asUnavailable(error)
  }
}

/** What one may do with a job that is not one's own, and the capability on `writ/queues/<qname>` that allows it (DESIGN §6). */
export type JobPower = 'read' | 'update' | 'delete'

/** The submitter's own token or entity may do everything with a job; others what Vault's policies allow. Throws `not_permitted`. */
export async function requirePower(
  vault: Vault,
  caller: Caller,
  job: Pick<Job, 'qname' | 'submitter_entity' | 'submitter_accessor_hash'>,
  power: JobPower,
): Promise<void> {
  if (ownsJob(caller, job) || (await mayUseQueue(vault, caller, job.qname, power))) return
  throw new WritError('not_permitted')
}

function ownsJob(caller: Caller, job: Pick<Job, 'submitter_entity' | 'submitter_accessor_hash'>): boolean {
  // an empty entity is no identity: two tokens without one are two strangers
  if (caller.entity !== '' && caller.entity === job.submitter_entity) return true
  return caller.accessorHash === job.submitter_accessor_hash
}

async function mayUseQueue(vault: Vault, caller: Caller, qname: string, power: JobPower): Promise<boolean> {
  try {
    return await isCapable(vault, caller.token, queuePath(qname), power)
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** The path in Vault's policies that stands for a queue. The name is encoded, so that `a/b` is not below the queue `a`. */
export function queuePath(qname: string): string {
  return `writ/queues/${encodeURIComponent(qname)}`
}

/** Vault did not answer as it should: refuse, and say that nothing was done. */
export function asUnavailable(error: unknown): unknown {
  if (!isVaultError(error)) return error
  return new WritError('vault_unavailable', undefined, { cause: error })
}
