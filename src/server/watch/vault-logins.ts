import { WritError } from '../../protocol/errors.ts'
import type { PlanLogin } from '../../protocol/watch-plan.ts'
import { Vault } from '../../vault/client.ts'
import { isVaultError } from '../../vault/error.ts'
import { loginAt } from '../../vault/login.ts'
import { Secret } from '../../vault/secret.ts'
import { revokeSelf } from '../../vault/token.ts'
import { accessError } from './access.ts'

// The list of Vaults of a job on Kubernetes, as later versions of flant_gitops have it (gitops.md §16.4).

const ISSUER = 'vault-cert-auth/issue/cert-auth'
const COMMON_NAME = 'conf'

/** A certificate, in memory for the logins of one run. */
export interface ClientCertificate {
  readonly certificate: string
  readonly key: Secret
}

/** A token of one of the Vaults of a run, as it is kept, encrypted, until it is revoked. */
export interface VaultLogin extends PlanLogin {
  readonly token: string
  /** When it ends by itself, in milliseconds; null for never. */
  readonly until: number | null
}

/** Has the Vault of the watch issue a certificate for the logins of a run. */
export async function issueCertificate(vault: Vault, token: Secret, signal: AbortSignal): Promise<ClientCertificate> {
  const answer = await vault.send({ method: 'PUT', path: ISSUER, token, body: { common_name: COMMON_NAME }, signal })
  const { certificate, private_key, ca_chain } = answer?.data ?? {}
  if (typeof certificate !== 'string' || typeof private_key !== 'string')
    throw new WritError('watch_access_failed', `${ISSUER} issues no certificate`)
  const chain = Array.isArray(ca_chain) ? ca_chain.filter(each => typeof each === 'string') : []
  return { certificate: [certificate, ...chain].join('\n'), key: new Secret(private_key) }
}

/**
 * Logs in at one of the Vaults. One that refuses, or is away, ends the run before it starts: flant_gitops left it out of the list with
 * a warning, and the job ran without it. Throws `watch_access_failed`, `watch_vault_unavailable` with its name.
 */
export async function loginAtVault(
  { name, url, vault_cacert }: PlanLogin,
  { certificate, key }: ClientCertificate,
  signal: AbortSignal,
): Promise<VaultLogin> {
  const vault = new Vault({ address: url, ca: vault_cacert || undefined, cert: certificate, key: key.reveal() })
  try {
    const { token, leaseSeconds } = await loginAt(vault, 'auth/cert/login', {}, signal)
    const until = leaseSeconds > 0 ? Date.now() + leaseSeconds * 1000 : null
    return { name, url, vault_cacert, token: token.reveal(), until }
  } catch (error) {
    const known = accessError(error)
    if (!(known instanceof WritError)) throw error
    throw new WritError(known.code, `${name}: ${known.detail ?? known.message}`, { cause: error })
  } finally {
    await vault.close()
  }
}

/** The value of `VAULTS_B64_JSON`. */
export function listOfLogins(logins: readonly VaultLogin[]): Secret {
  const list = logins.map(({ name, url, vault_cacert, token }) => ({ name, url, vault_cacert, token }))
  return new Secret(Buffer.from(JSON.stringify(list)).toString('base64'))
}

export async function revokeLogin({ url, vault_cacert, token }: VaultLogin, signal: AbortSignal): Promise<void> {
  const vault = new Vault({ address: url, ca: vault_cacert || undefined })
  try {
    await revokeSelf(vault, new Secret(token), signal)
  } catch (error) {
    // one that has ended by itself, or whose Vault is another one now
    if (!isVaultError(error, 'denied')) throw error
  } finally {
    await vault.close()
  }
}
