import { loginAppRole } from '../../vault/approle.ts'
import type { Vault } from '../../vault/client.ts'
import type { Secret } from '../../vault/secret.ts'
import { lookupSelf } from '../../vault/token.ts'

/** With what the server logs in to Vault. */
export type Credentials =
  | { readonly kind: 'token'; readonly token: Secret }
  | { readonly kind: 'approle'; readonly roleId: string; readonly secretId: Secret }

export interface Login {
  readonly token: Secret
  /** Seconds; 0 never expires. */
  readonly leaseSeconds: number
  readonly renewable: boolean
}

/** Logs in by the one method that the credentials are for. Throws `VaultError`. */
export async function login(vault: Vault, credentials: Credentials, signal?: AbortSignal): Promise<Login> {
  switch (credentials.kind) {
    case 'token': {
      const facts = await lookupSelf(vault, credentials.token, signal)
      return { token: credentials.token, leaseSeconds: facts.ttl, renewable: facts.renewable }
    }
    case 'approle':
      return await loginAppRole(vault, credentials, signal)
  }
}
