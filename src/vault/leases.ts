import type { Vault } from './client.ts'
import type { Secret } from './secret.ts'

/** Extends a lease; answers the seconds it lives from now. */
export async function renewLease(vault: Vault, token: Secret, leaseId: string, signal?: AbortSignal): Promise<number> {
  const body = { lease_id: leaseId }
  const answer = await vault.send({ method: 'PUT', path: 'sys/leases/renew', token, body, signal })
  return answer?.lease.seconds ?? 0
}

/**
 * Ends a lease, and answers when what it stood for is gone. Without `sync` Vault says yes first and tries afterwards, a few times.
 * No error when there is none (contract leases-of-tokens: a 204).
 */
export async function revokeLease(vault: Vault, token: Secret, leaseId: string, signal?: AbortSignal): Promise<void> {
  const body = { lease_id: leaseId, sync: true }
  await vault.send({ method: 'PUT', path: 'sys/leases/revoke', token, body, signal })
}
