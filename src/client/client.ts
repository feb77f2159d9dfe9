import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint } from '../protocol/fingerprint.ts'
import type {
  JobAnswer,
  JobList,
  JobSpec,
  KillAnswer,
  ListQuery,
  QueueList,
  Submission,
  SubmitAnswer,
} from '../protocol/job.ts'
import { decodeEvents, type JobEvent, offsetBehind } from '../protocol/output-event.ts'
import { decodeFrames, FRAMES_TYPE } from '../protocol/output-frames.ts'
import type { Vault } from '../vault/client.ts'
import { Secret } from '../vault/secret.ts'
import { createToken, lookupSelf, renewSelf, revokeSelf } from '../vault/token.ts'
import { ClientClosed, RequestError } from './error.ts'
import { keptIdentities, makeResultKey } from './result-key.ts'
import { authorize, type SealOptions, sealJob } from './seal.ts'
import { Transport } from './transport.ts'

export interface ClientOptions {
  /** Address of the server, or of a courier that forwards to it. */
  readonly server: string
  readonly serverCa?: string | undefined
  /** False takes anybody's certificate for the server's. */
  readonly verifyServer?: boolean | undefined
  readonly vault: Vault
  /** The requestor's own token. It goes to Vault, and to the server only where it has no identity (see `#apiToken`). */
  readonly token: Secret
  /** The server's job role, `writ-job` by default. */
  readonly jobRole?: string | undefined
  /** How long the authority of a job may stay unopened on its way, as Vault writes durations; 10m by default. */
  readonly wrapTtl?: string | undefined
  /** Policies of the token that the server gets; `default` is enough unless it has WRIT_REQUIRE_ACL set. */
  readonly tokenPolicies?: readonly string[] | undefined
  /** The first pause before a broken stream of output is connected again, 200 ms by default; later ones double. */
  readonly reconnectMs?: number | undefined
  /** How long an answer or a stream of output may make no progress, 60 s by default; a server says at least every 15 s that it is there. */
  readonly silenceMs?: number | undefined
}

export interface SubmitOptions {
  readonly signal?: AbortSignal | undefined
  /** The answer of the job that must have been accepted before this one, in the same queue: no courier changes the order. */
  readonly after?: Pick<SubmitAnswer, 'authority_sha256'> | undefined
  /** Random by default. Only the very same body may be sent with it again, and sealing makes another one each time. */
  readonly idempotencyKey?: string | undefined
}

/** Submits, follows and manages jobs. Close it: it holds a token that is revoked then. */
export class Client {
  readonly #transport: Transport
  readonly #vault: Vault
  readonly #token: Secret
  readonly #seal: SealOptions
  readonly #reconnectMs: number
  readonly #tokenPolicies: readonly string[]
  #childToken: Promise<Secret> | null = null
  readonly #closing = new AbortController()
  /** Submissions that are not over: each takes back what it has made. */
  readonly #submissions = new Set<Promise<void>>()

  constructor(options: ClientOptions) {
    const { server, serverCa: ca, verifyServer: verify, silenceMs } = options
    this.#transport = new Transport({ server, ca, verify, silenceMs })
    this.#vault = options.vault
    this.#token = options.token
    this.#seal = {
      jobRole: options.jobRole ?? 'writ-job',
      ...(options.wrapTtl ? { wrapTtl: options.wrapTtl } : {}),
    }
    this.#reconnectMs = options.reconnectMs ?? 200
    this.#tokenPolicies = options.tokenPolicies ?? ['default']
  }

  /**
   * Seals a job end to end and submits it: whoever carries it sees ciphertext and the name of the queue. When the answer does not
   * arrive, the same request is sent again, and makes no second job.
   */
  async submit(spec: JobSpec, options: SubmitOptions = {}): Promise<SubmitAnswer> {
    return await this.#submission(options.signal, signal => this.#submitSealed(spec, { ...options, signal }))
  }

  async #submitSealed(spec: JobSpec, { after, ...rest }: SubmitOptions): Promise<SubmitAnswer> {
    const binding = { caller: await this.#apiToken(), after: after?.authority_sha256 }
    const body = await sealJob(this.#vault, this.#token, spec, { ...this.#seal, ...binding }, rest.signal)
    try {
      return await this.#submit(body, rest)
    } catch (error) {
      // The attack: a courier that keeps the request until it has been given up and made again, and then delivers both
      await revokeSelf(this.#vault, new Secret(body.cubby_token ?? '')).catch(() => {})
      throw error
    }
  }

  /** Submits a job in the open: for a connection that is trusted from end to end. */
  async submitDirect(spec: JobSpec, options: Omit<SubmitOptions, 'after'> = {}): Promise<SubmitAnswer> {
    return await this.#submission(options.signal, async signal => {
      const wrap = await authorize(this.#vault, this.#token, this.#seal, signal)
      return await this.#submit({ ...spec, wrap_secret_id: wrap.reveal() }, { ...options, signal })
    })
  }

  async get(id: string, signal?: AbortSignal): Promise<JobAnswer> {
    const token = await this.#readToken()
    return await this.#transport.json({ method: 'GET', path: jobPath(id), token, signal })
  }

  /** One page of the jobs that one may read, newest first; `next` of it is the `cursor` of the one that follows. */
  async list(query: ListQuery = {}, signal?: AbortSignal): Promise<JobList> {
    const token = await this.#readToken()
    const wanted = Object.entries(query).filter(([, value]) => value !== undefined)
    const text = new URLSearchParams(wanted.map(([key, value]) => [key, String(value)])).toString()
    return await this.#transport.json({ method: 'GET', path: `/v1/api/job${text && `?${text}`}`, token, signal })
  }

  /** The queues that one may read by policy, and how long they are. */
  async queues(signal?: AbortSignal): Promise<QueueList> {
    const token = await this.#readToken()
    return await this.#transport.json({ method: 'GET', path: '/v1/api/queues', token, signal })
  }

  /**
   * A `result_key` whose identity is kept in it, encrypted by a transit key of one's own: `NAME`, or `MOUNT/keys/NAME`. Whoever may decrypt with
   * that key reads the output.
   */
  async resultKey(transitKey: string, signal?: AbortSignal): Promise<string> {
    return await makeResultKey(this.#vault, this.#token, transitKey, signal)
  }

  /** For `openSealed`: the identity that the `result_key` of a job keeps; none if it keeps none. */
  async identities(job: Pick<JobAnswer, 'result_key'>, signal?: AbortSignal): Promise<string[]> {
    return job.result_key ? await keptIdentities(this.#vault, this.#token, job.result_key, signal) : []
  }

  /** Asks for the job to be stopped; its end comes later. */
  async kill(id: string, signal?: AbortSignal): Promise<KillAnswer> {
    const token = await this.#readToken()
    return await this.#transport.json({
      method: 'POST',
      path: `/v1/api/job/kill/${encodeURIComponent(id)}`,
      token,
      signal,
    })
  }

  /** Removes the record of a job that has ended, or cancels one that waits. */
  async remove(id: string, signal?: AbortSignal): Promise<void> {
    const token = await this.#readToken()
    await this.#transport.json({ method: 'DELETE', path: jobPath(id), token, signal })
  }

  /**
   * The output of a job from byte `offset` on, live, and then its end. Connects again when the connection breaks and goes on
   * exactly where it was.
   */
  async *follow(id: string, offset = 0, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    const token = await this.#readToken()
    const renewing = setInterval(() => void this.renew(signal).catch(() => {}), RENEW_MS).unref()
    try {
      yield* this.#follow(id, offset, token, signal)
    } finally {
      clearInterval(renewing)
    }
  }

  async *#follow(id: string, offset: number, token: Secret, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    let position = offset
    for (let failures = 0; ; ) {
      const since = performance.now()
      let failure: unknown = null
      try {
        const path = `${jobPath(id)}/output?offset=${position}`
        const headers = { accept: `${FRAMES_TYPE}, text/event-stream;q=0.5` }
        const { type, pieces } = await this.#transport.stream({ method: 'GET', path, token, headers, signal })
        for await (const event of type.startsWith(FRAMES_TYPE) ? decodeFrames(pieces) : decodeEvents(pieces)) {
          failures = 0
          yield event
          if (event.kind === 'end') return
          position = offsetBehind(event)
        }
      } catch (error) {
        signal?.throwIfAborted()
        // an answer is an answer; only silence is worth another try, and a gateway that says it
        if (error instanceof RequestError && error.status !== 0 && !AWAY.has(error.status)) throw error
        failure = error
      }
      // a job may be silent for hours, and something on the way may end what is silent: that is no failure
      if (performance.now() - since > LASTED_MS) failures = 0
      if (failures >= RECONNECTS) throw failure instanceof RequestError ? failure : brokenStream()
      await sleep(Math.min(this.#reconnectMs * 2 ** failures, 5_000), undefined, { signal })
      failures += 1
    }
  }

  /** Lets the token that this client made live for its whole time again, if there is one and Vault allows it. */
  async renew(signal?: AbortSignal): Promise<void> {
    if (this.#childToken !== null) await renewSelf(this.#vault, await this.#childToken, signal)
  }

  /**
   * Ends what is being submitted (it throws `ClientClosed`), and revokes the tokens that were made here; with a Vault that does not answer
   * they are left to their time after a while.
   */
  async close(): Promise<void> {
    this.#closing.abort(new ClientClosed())
    await Promise.race([this.#revokeAll(), sleep(LAST_WORDS_MS, undefined, { ref: false })])
    await this.#transport.close()
  }

  async #revokeAll(): Promise<void> {
    await Promise.all(this.#submissions)
    const token = await this.#childToken?.catch(() => null)
    if (token) await revokeSelf(this.#vault, token).catch(() => {})
  }

  async #submission<T>(given: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const working = work(AbortSignal.any([this.#closing.signal, ...(given ? [given] : [])]))
    const over = working.then(
      () => {},
      () => {},
    )
    this.#submissions.add(over)
    try {
      return await working
    } finally {
      this.#submissions.delete(over)
    }
  }

  async #submit(body: Submission, { signal, idempotencyKey = randomUUID() }: SubmitOptions): Promise<SubmitAnswer> {
    const authority_sha256 = fingerprint(new Secret(body.wrap_secret_id ?? ''))
    const token = await this.#apiToken()
    const headers = { 'idempotency-key': idempotencyKey }
    for (let failures = 0; ; failures += 1) {
      try {
        const path = '/v1/api/job'
        const answer = await this.#transport.json<SubmitAnswer>({ method: 'POST', path, token, headers, body, signal })
        // our own account of it: the courier could name another one
        return { ...answer, authority_sha256 }
      } catch (error) {
        // an answer is an answer; only silence is worth another try
        if (failures >= RESUBMITS || !(error instanceof RequestError) || error.status !== 0) throw error
      }
      await sleep(this.#reconnectMs * 2 ** failures, undefined, { signal })
    }
  }

  /** A child of the requestor's token that can do nothing but say whose it is. */
  async #apiToken(): Promise<Secret> {
    this.#childToken ??= createToken(this.#vault, this.#token, {
      policies: this.#tokenPolicies,
      ttl: '6h',
      display_name: 'writ',
    }).then(auth => auth.token)
    try {
      return await this.#childToken
    } catch (error) {
      // not kept: the next call makes it
      this.#childToken = null
      throw error
    }
  }

  /**
   * A child token shares its parent's identity, and the identity is what owns a job. A token without one (a root token) has only
   * itself and its policies: unless this client submitted the job itself, the token must be shown to the server.
   */
  async #readToken(): Promise<Secret> {
    if (this.#childToken !== null) return await this.#childToken
    const { entityId } = await lookupSelf(this.#vault, this.#token)
    return entityId ? await this.#apiToken() : this.#token
  }
}

/** How long `close` waits for Vault. */
const LAST_WORDS_MS = 5_000
/** How often a submission is repeated whose answer did not arrive. */
const RESUBMITS = 2
const RECONNECTS = 8
/** What a server that is sealed answers, and a gateway whose server is away. */
const AWAY = new Set([502, 503, 504])
/** A third of the life of the token that the server gets. */
const RENEW_MS = 2 * 3_600_000
/** A connection that held so long was a good one. */
const LASTED_MS = 10_000

function brokenStream(): RequestError {
  return new RequestError({
    status: 0,
    code: 'unreachable',
    message: 'the output breaks off again and again',
    remedy: 'Look at what is between you and the server; `writ logs -f` goes on from any offset.',
  })
}

function jobPath(id: string): string {
  return `/v1/api/job/${encodeURIComponent(id)}`
}
