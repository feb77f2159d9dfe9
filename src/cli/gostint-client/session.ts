import { Client } from '../../client/client.ts'
import { RequestError } from '../../client/error.ts'
import type { JobSpec } from '../../protocol/job.ts'
import { loginAppRole } from '../../vault/approle.ts'
import { Vault } from '../../vault/client.ts'
import type { Secret } from '../../vault/secret.ts'
import { lookupSelf, renewSelf, revokeSelf } from '../../vault/token.ts'
import type { Credentials, Options } from './options.ts'
import type { Trace } from './print.ts'

/** As GoStint's own client: its server opens the wrap when the job's turn comes, so that it must outlive the queue. */
const WRAP_TTL = '1h'
/** Of the API token, if nothing else sets an earlier end. */
const API_TOKEN_SECONDS = 6 * 3600

type Connection = Pick<Options, 'server' | 'vault' | 'credentials' | 'jobRole'>

/**
 * A requestor who is logged in, for as long as the job takes. Tokens that were made here are renewed, replaced when they end,
 * and revoked in the end. A token that was given is used and never touched: GoStint's own client could revoke it, the root token
 * included (BUG 40).
 */
export class Session {
  readonly #options: Connection
  readonly #trace: Trace
  readonly #vault: Vault
  #token: Secret
  #client: Client
  #renewEveryMs: number
  #renewAt: number

  private constructor(options: Connection, trace: Trace, vault: Vault, login: Login) {
    this.#options = options
    this.#trace = trace
    this.#vault = vault
    this.#token = login.token
    this.#client = connect(options, vault, login.token)
    this.#renewEveryMs = renewalInterval(login)
    this.#renewAt = Date.now() + this.#renewEveryMs
  }

  static async open(options: Connection, trace: Trace, signal: AbortSignal): Promise<Session> {
    const vault = new Vault(options.vault)
    try {
      return new Session(options, trace, vault, await logIn(vault, options.credentials, trace, signal))
    } catch (error) {
      await vault.close()
      throw error
    }
  }

  /** Seals and submits; the server's answer, whatever server it is. */
  async submit(spec: JobSpec, signal: AbortSignal): Promise<unknown> {
    return await this.#client.submit(spec, { signal })
  }

  /** One look at a job. When the login has ended meanwhile, a new one is made of the same SecretID. */
  async job(id: string, signal: AbortSignal): Promise<unknown> {
    await this.#keepAlive(signal)
    try {
      return await this.#client.get(id, signal)
    } catch (error) {
      const denied = error instanceof RequestError && error.status === 403
      if (!denied || this.#options.credentials.kind === 'token') throw error
      await this.#logInAgain(signal)
      return await this.#client.get(id, signal)
    }
  }

  /** Revokes what was made here. Errors are no reason to lose the exit code of the job: what is left over expires. */
  async close(): Promise<void> {
    await this.#release(this.#client, this.#token)
    await this.#vault.close()
  }

  async #keepAlive(signal: AbortSignal): Promise<void> {
    if (Date.now() < this.#renewAt) return
    this.#renewAt = Date.now() + this.#renewEveryMs
    const renewals = [this.#client.renew(signal)]
    if (this.#options.credentials.kind === 'approle') {
      renewals.push(renewSelf(this.#vault, this.#token, signal).then(() => {}))
    }
    const failed = (await Promise.allSettled(renewals)).filter(result => result.status === 'rejected')
    // no error: if a token has really ended, the server will say so
    this.#trace(failed.length > 0 ? 'a token could not be renewed' : 'tokens renewed')
  }

  async #logInAgain(signal: AbortSignal): Promise<void> {
    this.#trace('the server does not know the token any more: logging in again')
    const login = await logIn(this.#vault, this.#options.credentials, this.#trace, signal)
    const [client, token] = [this.#client, this.#token]
    this.#token = login.token
    this.#client = connect(this.#options, this.#vault, login.token)
    this.#renewEveryMs = renewalInterval(login)
    this.#renewAt = Date.now() + this.#renewEveryMs
    await this.#release(client, token)
  }

  async #release(client: Client, token: Secret): Promise<void> {
    await client.close()
    if (this.#options.credentials.kind === 'approle') await revokeSelf(this.#vault, token).catch(() => {})
    this.#trace('tokens that were made here are revoked')
  }
}

interface Login {
  readonly token: Secret
  /** Seconds; 0 never ends, or is not ours to prolong. */
  readonly leaseSeconds: number
}

async function logIn(vault: Vault, credentials: Credentials, trace: Trace, signal: AbortSignal): Promise<Login> {
  signal.throwIfAborted()
  // not cut off by the signal: a token whose answer nobody reads cannot be revoked
  const login: Login =
    credentials.kind === 'approle'
      ? await loginAppRole(vault, credentials)
      : { token: credentials.token, leaseSeconds: 0 }
  try {
    // so that a token which is no good is told from one which may not do something
    const facts = await lookupSelf(vault, login.token, signal)
    trace(`logged in to ${vault.address} as ${facts.displayName}: ${facts.policies.join(', ')}; ${facts.ttl} s left`)
    return login
  } catch (error) {
    if (credentials.kind === 'approle') await revokeSelf(vault, login.token).catch(() => {})
    throw error
  }
}

function connect({ server, jobRole }: Connection, vault: Vault, token: Secret): Client {
  return new Client({
    server: server.url,
    serverCa: server.ca,
    verifyServer: server.verify,
    vault,
    token,
    jobRole,
    wrapTtl: WRAP_TTL,
  })
}

/** A third of the life: one renewal may fail. */
function renewalInterval({ leaseSeconds }: Login): number {
  return (Math.min(leaseSeconds || API_TOKEN_SECONDS, API_TOKEN_SECONDS) * 1000) / 3
}
