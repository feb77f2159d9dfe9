import type { Vault } from '../../../vault/client.ts'
import { loginAt } from '../../../vault/login.ts'
import { type MethodLogin, repeatable } from './login.ts'

/** The TLS certificate that the connection to Vault shows (`VAULT_CLIENT_CERT`, `VAULT_CLIENT_KEY`). */
export interface CertCredentials {
  readonly kind: 'cert'
  /** Of the role; empty takes the first that fits. */
  readonly name: string
  readonly mount?: string
}

export async function byCert(
  vault: Vault,
  credentials: CertCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<CertCredentials>> {
  const { name, mount = 'cert' } = credentials
  return repeatable(await loginAt(vault, `auth/${mount}/login`, name ? { name } : {}, signal), credentials)
}
