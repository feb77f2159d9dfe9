import { createHash } from 'node:crypto'
import { isVaultError } from '../../vault/error.ts'
import { renewLease, revokeLease } from '../../vault/leases.ts'
import type { Lease } from '../../vault/response.ts'
import { record } from '../audit/audit.ts'
import type { Tx } from '../store/database.ts'
import { deleteLease, dueLeases, type HeldLease, insertLease, setLeaseRenewal } from '../store/leases.ts'
import type { Hold } from '../store/runs.ts'
import type { Engine } from './engine.ts'

/** How a lease stands in the audit trail: it can be compared with what Vault's own trail says, and used for nothing. */
export function leaseHash(id: string): string {
  return createHash('sha256').update(id).digest('hex')
}

/** Remembers a lease in the transaction that records the reading, before its value is used. Throws `HoldLost`. */
export async function keepLease(tx: Tx, hold: Hold, path: string, lease: Lease): Promise<void> {
  await insertLease(tx, hold, { id: lease.id, path, renewSeconds: lease.renewable ? renewAfter(lease.seconds) : null })
}

/** At half of its life, so that a Vault that is away for a while costs no job. */
function renewAfter(leaseSeconds: number): number | null {
  return leaseSeconds > 0 ? leaseSeconds / 2 : null
}

/** How soon another node or the next round may try a renewal that did not come back. */
const AGAIN_MS = 15_000

/** Renews the leases of running jobs that are due. Throws when there is no use in asking Vault for more now. */
export async function keepLeasesAlive(engine: Engine): Promise<void> {
  for (const lease of await dueLeases(engine.db, AGAIN_MS)) {
    try {
      const seconds = await renewLease(engine.vault, engine.identity.token(), lease.id)
      await engine.db.transaction().execute(async tx => {
        await setLeaseRenewal(tx, lease.id, renewAfter(seconds))
        await receipt(tx, engine, 'job.lease_renewed', lease, { seconds })
      })
    } catch (error) {
      engine.log.warn({ job: lease.job_id, path: lease.path, err: error }, 'a lease of a job was not renewed')
      if (isVaultError(error, 'denied')) await engine.identity.doubt()
      if (!isVaultError(error) || error.status === 0 || error.status === 503) throw error
      // it has ended, or cannot be renewed: asking again cannot help, and the job will notice
      if (isVaultError(error, 'invalid')) await setLeaseRenewal(engine.db, lease.id, null)
    }
  }
}

/**
 * Ends all leases that a job holds, each with its receipt. Tries all of them before it throws: one database that is away must
 * not keep the credentials of another one alive.
 */
export async function endLeases(engine: Engine, jobId: string): Promise<void> {
  const failures: unknown[] = []
  for (const lease of await engine.recorder.leases(jobId)) {
    try {
      const ended = await endLease(engine, lease)
      await engine.db.transaction().execute(async tx => {
        if (!(await deleteLease(tx, lease.id))) return
        await receipt(tx, engine, ended ? 'job.lease_revoked' : 'job.lease_left_to_token', lease)
      })
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/**
 * False: Vault does not let this server end leases (a policy made before it could). Then it ends with the token of the job, of
 * which Vault says yes before it is done.
 */
async function endLease(engine: Engine, lease: HeldLease): Promise<boolean> {
  try {
    await revokeLease(engine.vault, engine.identity.token(), lease.id)
    return true
  } catch (error) {
    if (!isVaultError(error, 'denied')) throw error
    await engine.identity.doubt()
  }
  try {
    await revokeLease(engine.vault, engine.identity.token(), lease.id)
    return true
  } catch (error) {
    if (!isVaultError(error, 'denied')) throw error
    engine.log.warn({ job: lease.job_id, path: lease.path }, 'no power over leases; `writ vault-setup` gives it')
    return false
  }
}

async function receipt(
  tx: Tx,
  engine: Engine,
  action: 'job.lease_renewed' | 'job.lease_revoked' | 'job.lease_left_to_token',
  lease: HeldLease,
  more: object = {},
): Promise<void> {
  const detail = { path: lease.path, lease_sha256: leaseHash(lease.id), ...more }
  await record(tx, { action, job: lease.job_id, actor: engine.node, detail })
}
