import { type KeyObject, sign } from 'node:crypto'
import { WritError } from '../../../../protocol/errors.ts'
import { Secret } from '../../../../vault/secret.ts'
import { HttpPeer, wrongStatus } from '../http-peer.ts'

export interface DcosAccount {
  /** Of the service account. */
  readonly uid: string
  /** Its RSA key. */
  readonly key: KeyObject
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly timeoutMs?: number | undefined
  /** Where the masters' logins are: on the master itself, on the usual port, unless told otherwise. */
  readonly originOf?: (host: string) => string
}

const PATH = '/acs/api/v1/auth/login'
/** How long our word that it is us is good for. */
const PROOF_SECONDS = 300
/** For how long a login is used: shorter than what DC/OS grants, so that one that it ended is not used for long. */
const KEPT_MS = 300_000

/** Logs in to DC/OS Enterprise, whose masters show tasks to nobody else (gatekeeper.md §15.3). */
export class DcosLogin {
  readonly #account: DcosAccount
  readonly #http: HttpPeer
  #held: { readonly header: Secret; readonly until: number } | null = null
  #asking: Promise<Secret> | null = null

  constructor(account: DcosAccount) {
    this.#account = account
    this.#http = new HttpPeer({ ca: account.ca, timeoutMs: account.timeoutMs })
  }

  /** The header `authorization` for a master, `host:port`. Throws `scheduler_unavailable`, `scheduler_lied`. */
  async header(master: string, signal: AbortSignal): Promise<string> {
    if (this.#held && this.#held.until > performance.now()) return this.#held.header.reveal()
    // one login for all who wait
    this.#asking ??= this.#login(master, signal).finally(() => {
      this.#asking = null
    })
    return (await this.#asking).reveal()
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  async #login(master: string, signal: AbortSignal): Promise<Secret> {
    const host = master.replace(/:\d+$/, '')
    const { uid, originOf = () => `https://${host}` } = this.#account
    const body = { uid, exp: 0, token: this.#proof() }
    const answer = await this.#http.ask(originOf(host), PATH, { method: 'POST', body, signal })
    if (answer.status === 401) throw new WritError('scheduler_unavailable', 'DC/OS refuses the login')
    if (answer.status !== 200) throw wrongStatus(answer.status)
    const { token } = (answer.json() ?? {}) as { token?: unknown }
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
      throw new WritError('scheduler_lied', 'a login without a token')
    }
    const header = new Secret(`token=${token}`)
    this.#held = { header, until: performance.now() + KEPT_MS }
    return header
  }

  #proof(): string {
    const { uid, key } = this.#account
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const exp = Math.floor(Date.now() / 1000) + PROOF_SECONDS
    const text = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ uid, exp })}`
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
  }
}
