import type { VaultRequest } from '../../vault/client.ts'
import { Vault } from '../../vault/client.ts'
import { isVaultError, VaultError } from '../../vault/error.ts'
import { clientSettings, findToken, MISSING, readCa } from '../client-settings.ts'
import { UsageError } from '../failure.ts'
import { printable } from '../printable.ts'

/** Options that every command about watches takes. */
export interface WatchOptions {
  readonly server?: string
  readonly json?: boolean
}

/** The server's paths of watches, which are spoken to as Vault is. */
export class WatchServer {
  readonly #vault: Vault
  readonly #token: NonNullable<VaultRequest['token']>

  private constructor(vault: Vault, token: NonNullable<VaultRequest['token']>) {
    this.#vault = vault
    this.#token = token
  }

  /** From flags, environment and configuration file, and closed at the end. Throws `UsageError` with everything that is missing. */
  static async with<T>(options: WatchOptions, action: (server: WatchServer) => Promise<T>): Promise<T> {
    const settings = await clientSettings({ server: options.server })
    const { server: address } = settings
    const token = await findToken()
    const missing = [...(address ? [] : [MISSING.server]), ...(token ? [] : [MISSING.token])]
    if (!address || !token)
      throw new UsageError(missing.join('\n'), '`writ dev` starts everything and prints what to set')
    const ca = await readCa(settings, 'server_ca')
    // a look into a repository may take as long as fetching it does
    const vault = new Vault({ address, ca, timeoutMs: 600_000, retry: { retries: 0, firstDelayMs: 1 } })
    try {
      return await action(new WatchServer(vault, token))
    } finally {
      await vault.close()
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: each caller knows what its path answers
  async read(path: string, query?: string): Promise<any> {
    return await this.#send({ method: 'GET', path, query })
  }

  // biome-ignore lint/suspicious/noExplicitAny: each caller knows what its path answers
  async write(path: string, body: object = {}): Promise<any> {
    return await this.#send({ method: 'PUT', path, body })
  }

  async remove(path: string): Promise<void> {
    await this.#send({ method: 'DELETE', path })
  }

  async #send(request: Omit<VaultRequest, 'token'>): Promise<unknown> {
    try {
      return (await this.#vault.send({ ...request, token: this.#token }))?.data ?? null
    } catch (error) {
      throw said(error)
    }
  }
}

/** It is not Vault that answered, although it was asked as Vault is. */
function said(error: unknown): unknown {
  if (!isVaultError(error)) return error
  if (error.status === 0) return new Error(printable(`no answer from the server: ${error.errors.join('; ')}`))
  const reason = error.errors.join('; ') || (error.status === 404 ? 'nothing there' : `HTTP ${error.status}`)
  return new Error(printable(`${reason} (${error.path})`), { cause: error instanceof VaultError ? undefined : error })
}
