import type { Vault } from './client.ts'
import type { Secret } from './secret.ts'

/** Extends a lease; answers the seconds it lives from now. */
export async function renewLease(vault: Vault, token: Secret, leaseId: string, signal?: AbortSignal): Promise<number> {
  const body = { lease_id: leaseId }
  const answer = await vault.send({ method: 'PUT', path: 'sys/leases/renew', token, body, signal })
  return answer?.lease.seconds ?? 0
}

/** Ends a lease. No error when there is none (contract leases-of-tokens: a 204). */
export async function revokeLease(vault: Vault, token: Secret, leaseId: string, signal?: AbortSignal): Promise<void> {
  await vault.send({ method: 'PUT', path: 'sys/leases/revoke', token, body: { lease_id: leaseId }, signal })
}
