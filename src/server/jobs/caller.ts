import { createHash } from 'node:crypto'
import { WritError } from '../../protocol/errors.ts'
import { capabilities } from '../../vault/capabilities.ts'
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

type Owned = Pick<Job, 'qname' | 'submitter_entity' | 'submitter_accessor_hash'>
const NOBODYS: Owned = { qname: '', submitter_entity: '', submitter_accessor_hash: '' }

/**
 * The submitter's own token or entity may do everything with a job; others what Vault's policies allow. To whoever may do nothing
 * with it, a job of others is one that there is not: same answer, and Vault is asked in both cases, so the same time.
 * Throws `job_not_found`, `not_permitted`.
 */
export async function requirePower<T extends Owned>(
  vault: Vault,
  caller: Caller,
  job: T | undefined,
  power: JobPower,
): Promise<T> {
  if (job && ownsJob(caller, job)) return job
  const powers = await powersOn(vault, caller, (job ?? NOBODYS).qname)
  if (!job || powers.length === 0) throw new WritError('job_not_found')
  if (!powers.includes(power)) throw new WritError('not_permitted')
  return job
}

function ownsJob(caller: Caller, job: Pick<Job, 'submitter_entity' | 'submitter_accessor_hash'>): boolean {
  // an empty entity is no identity: two tokens without one are two strangers
  if (caller.entity !== '' && caller.entity === job.submitter_entity) return true
  return caller.accessorHash === job.submitter_accessor_hash
}

const POWERS: readonly JobPower[] = ['read', 'update', 'delete']

async function powersOn(vault: Vault, caller: Caller, qname: string): Promise<readonly JobPower[]> {
  try {
    const [granted = []] = await capabilities(vault, caller.token, [queuePath(qname)])
    return granted.includes('root') ? POWERS : POWERS.filter(power => granted.includes(power))
  } catch (error) {
    throw asUnavailable(error)
  }
}

/**
 * The path in Vault's policies that stands for a queue. The name is encoded, so that `a/b` is not below the queue `a`, and so are the
 * star, which would be a glob at the end of a policy's path, and a name of nothing but dots.
 */
export function queuePath(qname: string): string {
  const name = encodeURIComponent(qname).replaceAll('*', '%2A')
  return `writ/queues/${/^\.+$/.test(name) ? name.replaceAll('.', '%2E') : name}`
}

/** Vault did not answer as it should: refuse, and say that nothing was done. */
export function asUnavailable(error: unknown): unknown {
  if (!isVaultError(error)) return error
  return new WritError('vault_unavailable', undefined, { cause: error })
}
