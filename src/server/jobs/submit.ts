import { setImmediate } from 'node:timers/promises'
import { readBody, setKeys } from '../../protocol/body.ts'
import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import { fingerprint } from '../../protocol/fingerprint.ts'
import { Envelope, JobSpec, ROUTING_FIELDS, Submission, type SubmitAnswer } from '../../protocol/job.ts'
import { newJobId } from '../../protocol/job-id.ts'
import type { VaultAuth } from '../../vault/response.ts'
import { Secret } from '../../vault/secret.ts'
import { entryText, record } from '../audit/audit.ts'
import { acceptJob, type Taker } from '../store/accept.ts'
import { releaseKey } from '../store/idempotency.ts'
import { findByAuthority, findJob, type NewJob } from '../store/jobs.ts'
import { requireAcl } from './acl.ts'
import { checkWrap, redeemAuthority } from './authority.ts'
import type { Caller } from './caller.ts'
import type { Engine } from './engine.ts'
import { openEnvelope, takeCiphertext } from './envelope.ts'
import { once } from './idempotency.ts'
import type { Intake } from './intake.ts'
import { localImage } from './job-image.ts'
import { renewalDue } from './keep-alive.ts'
import { resolveLimits } from './limits.ts'
import { makeOrder, type Order } from './order.ts'
import { Opened } from './prepare.ts'
import { seal } from './sealed.ts'
import { endUnwantedToken } from './unwanted-token.ts'
import { checkVaultToken } from './vault-token.ts'

/**
 * Takes a job in, directly or sealed (DESIGN §5, steps 2). Everything that can be refused is refused here, so that interception
 * shows at once and to the caller; what is accepted is stored encrypted, in one transaction with its audit entry.
 */
export async function submitJob(
  engine: Engine,
  caller: Caller,
  body: unknown,
  { key, ...rest }: Pick<Circumstances, 'signal' | 'intake'> & { key?: string | undefined } = {},
): Promise<SubmitAnswer> {
  try {
    const look = () => lookAt(engine, body, rest.signal)
    if (key === undefined) return await accept(engine, caller, body, await look(), rest)
    // nothing is spent by looking, so it is done while the key is reserved
    const looked = look()
    looked.catch(() => {})
    return await once(
      engine,
      caller,
      { key, body },
      async (reservation, waited) =>
        // what was seen before somebody else's attempt is not what is there after it
        await accept(engine, caller, body, await (waited ? look() : looked), { ...rest, reservation }),
      id => firstAnswer(engine, id, body),
    )
  } catch (error) {
    if (error instanceof WritError && ALARMS.has(error.code)) {
      engine.log.warn({ code: error.code, caller: caller.name }, 'a submission was refused: possible interception')
      await record(engine.db, { action: 'submission.refused', actor: actorOf(caller), detail: { code: error.code } })
    }
    throw error
  }
}

/** What a submission may be refused with. */
export const SUBMIT_ERRORS: readonly ErrorCode[] = [
  'body_not_json',
  'body_empty',
  'body_too_large',
  'body_invalid',
  'image_missing',
  'secret_ref_invalid',
  'env_var_invalid',
  'content_invalid',
  'content_unsafe',
  'content_too_large',
  'image_metadata_invalid',
  'wrap_missing',
  'wrap_invalid',
  'wrap_foreign',
  'authority_refused',
  'envelope_incomplete',
  'envelope_opened',
  'envelope_empty',
  'envelope_path',
  'envelope_tampered',
  'envelope_not_a_job',
  'authority_mismatch',
  'queue_mismatch',
  'envelope_replayed',
  'caller_mismatch',
  'envelope_early',
  'limit_refused',
  'network_refused',
  'vault_token_invalid',
  'duration_invalid',
  'duration_too_long',
  'result_key_invalid',
  'queue_not_permitted',
  'image_not_permitted',
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'idempotency_key_busy',
  'server_sealed',
  'store_unavailable',
]

/** Refusals that an honest requestor and an honest courier do not cause. */
const ALARMS = new Set<string>([
  'wrap_invalid',
  'wrap_foreign',
  'authority_refused',
  'envelope_opened',
  'envelope_tampered',
  'authority_mismatch',
  'queue_mismatch',
  'envelope_replayed',
  'caller_mismatch',
  'envelope_early',
])

interface Circumstances {
  /** Of the idempotency key. */
  readonly reservation?: string | undefined
  /** Absent: whatever is submitted waits until some node looks. */
  readonly intake?: Intake | undefined
  readonly signal?: AbortSignal | undefined
}

/** A submission as it came, of which nothing is spent yet. */
interface Seen {
  readonly submission: Submission
  readonly wrap: Secret
  readonly authoritySha256: string
  /** As `checkWrap` says. */
  readonly rewrapped: boolean
}

/** Whether there is anything to accept at all. */
async function lookAt(engine: Engine, body: unknown, signal?: AbortSignal): Promise<Seen> {
  const submission = readBody(Submission, body, 'body_invalid')
  if (!submission.wrap_secret_id) throw new WritError('wrap_missing')
  if (Boolean(submission.cubby_token) !== Boolean(submission.cubby_path)) throw new WritError('envelope_incomplete')
  const wrap = new Secret(submission.wrap_secret_id)
  // Nothing that can be used only once is used before it is clear that this server can keep the job
  engine.identity.token()
  const authoritySha256 = fingerprint(wrap)
  const checked = checkWrap(engine, wrap, signal)
  checked.catch(() => {})
  if (await findKnown(engine, authoritySha256)) throw new WritError('envelope_replayed')
  const rewrapped = await checked
  return { submission, wrap, authoritySha256, rewrapped }
}

async function accept(
  engine: Engine,
  caller: Caller,
  body: unknown,
  { submission, wrap, authoritySha256, rewrapped }: Seen,
  circumstances: Circumstances,
): Promise<SubmitAnswer> {
  const { signal } = circumstances
  const sealed = Boolean(submission.cubby_token || submission.payload)
  // a direct job lies open: what is wrong with it is said before its authority is spent
  const direct = sealed ? null : await allowedOrder(engine, caller, readBody(JobSpec, body, 'body_invalid'))

  const { ciphertext, burnt } = submission.cubby_token
    ? await takeCiphertext(
        engine,
        { cubbyToken: new Secret(submission.cubby_token), cubbyPath: submission.cubby_path ?? '' },
        signal,
      )
    : { ciphertext: submission.payload ?? '', burnt: null }
  try {
    const authority = await redeemAuthority(engine, wrap, signal)
    try {
      const routed = { caller, wrap, qname: submission.qname ?? '' }
      const order = direct ?? (await openOrder(engine, ciphertext, authority.token, routed, signal))
      checkVaultToken(order.vaultToken, authority)
      const id = await store(engine, order, { ...circumstances, caller, authority, authoritySha256, sealed, rewrapped })
      return answerTo(body, { id, qname: order.qname, form: sealed ? 'sealed' : 'direct', authoritySha256 })
    } catch (error) {
      // what was redeemed for a job that is not kept must not live on
      await endUnwantedToken(engine, authority.token)
      throw error
    }
  } finally {
    await burnt
  }
}

/** Throws `store_unavailable`. */
async function findKnown(engine: Engine, authoritySha256: string) {
  try {
    return await findByAuthority(engine.db, authoritySha256)
  } catch (cause) {
    throw new WritError('store_unavailable', undefined, { cause })
  }
}

/** The answer that a repetition gets: the first one, made again from the record. */
async function firstAnswer(engine: Engine, id: string, body: unknown): Promise<SubmitAnswer> {
  const job = await findJob(engine.db, id)
  if (!job) throw new WritError('job_not_found')
  const { qname, form, authority_sha256 } = job
  return answerTo(body, { id, qname, form, authoritySha256: authority_sha256 ?? '' })
}

function answerTo(
  body: unknown,
  { id, qname, form, authoritySha256 }: { id: string; qname: string; form: NewJob['form']; authoritySha256: string },
): SubmitAnswer {
  const ignored_fields = form === 'sealed' ? ignoredFields(body as object) : []
  return { _id: id, status: 'queued', qname, authority_sha256: authoritySha256, ignored_fields }
}

/** What is outside of the envelope. */
interface Routed {
  readonly caller: Caller
  readonly wrap: Secret
  readonly qname: string
}

/** Only what was sealed counts; from outside comes the queue, and it must agree (promise 3). */
async function openOrder(
  engine: Engine,
  ciphertext: string,
  jobToken: Secret,
  { caller, wrap, qname }: Routed,
  signal?: AbortSignal,
): Promise<Order> {
  const opened = await openEnvelope(engine, ciphertext, jobToken, signal)
  const spec = readBody(Envelope, opened, 'envelope_not_a_job')
  // The attack: with two requests for one queue in hand, the courier runs the job of the one with the authority of the other
  if (spec.authority_sha256 !== undefined && spec.authority_sha256 !== fingerprint(wrap)) {
    throw new WritError('authority_mismatch')
  }
  // The attack: with his own token in the place of the requestor's, the courier is the submitter, and reads the output
  if (spec.caller_sha256 !== undefined && spec.caller_sha256 !== fingerprint(caller.token)) {
    throw new WritError('caller_mismatch')
  }
  // both lower-cased: GoStint did so with one of them only, and every queue with a capital letter failed (gostint.md BUG 11)
  if ((spec.qname ?? '').toLowerCase() !== qname.toLowerCase()) throw new WritError('queue_mismatch')
  const order = await allowedOrder(engine, caller, spec)
  // The attack: the courier delivers `start` before `stop`
  if (spec.after_sha256 && (await findByAuthority(engine.db, spec.after_sha256))?.qname !== order.qname) {
    throw new WritError('envelope_early')
  }
  return order
}

/** Throws what `makeOrder` and `requireAcl` throw, and `limit_refused`, `network_refused`. */
async function allowedOrder(engine: Engine, caller: Caller, spec: JobSpec): Promise<Order> {
  const order = await makeOrder(spec, engine.settings)
  resolveLimits(engine.settings, order.limits)
  return await requireAcl(engine, caller, order)
}

interface Acceptance extends Circumstances {
  readonly caller: Caller
  readonly authority: VaultAuth
  readonly authoritySha256: string
  readonly sealed: boolean
  /** On record: who reads it later knows that an interceptor of this one could not be seen. */
  readonly rewrapped: boolean
}

async function store(
  engine: Engine,
  order: Order,
  { caller, authority, authoritySha256, sealed, rewrapped, reservation, intake, signal }: Acceptance,
): Promise<string> {
  // looked for meanwhile, as it is of a job that is claimed
  const local = intake?.hasPlace ? localImage(engine, order, signal) : null
  const [sealedSpec = '', sealedToken = ''] = await seal(
    engine,
    [JSON.stringify(order), authority.token.reveal()],
    signal,
  )
  const id = newJobId(new Date())
  const form = sealed ? 'sealed' : 'direct'
  const job = {
    id,
    qname: order.qname,
    form,
    image: order.image,
    tty: order.tty,
    submitterEntity: caller.entity,
    submitterAccessorHash: caller.accessorHash,
    authoritySha256,
    sealedSpec,
    sealedToken,
    tokenAccessor: authority.accessor,
    tokenRenewAt: renewalDue(authority.leaseSeconds),
    resultKey: order.resultKey ?? '',
    outputLimit: Math.min(order.outputLimit ?? Number.POSITIVE_INFINITY, engine.settings.outputLimit),
    limits: order.timeLimits,
  } as const
  const detail = { qname: order.qname, form, image: order.image, ...(rewrapped ? { rewrapped } : {}) }
  const entry = entryText({ action: 'job.submitted', job: id, actor: actorOf(caller), detail })
  try {
    const accepting = (taker: Taker | null) => acceptJob(engine.db, job, entry, { reservation, taker })
    if (intake && local) {
      await intake.takeIn(accepting, new Opened({ order, token: authority.token, local }))
      // its container is asked for before the answer is made
      await setImmediate()
    } else await accepting(null)
  } catch (cause) {
    if (!(await isOnRecord(engine, id, reservation, cause)))
      throw new WritError('store_unavailable', undefined, { cause })
    engine.log.warn({ job: id, err: cause }, 'a job was taken in, and the answer of the database was lost')
  }
  return id
}

/**
 * Whether a job is there of which the database did not say so: that answer may be all that was lost. Throws `store_unavailable` when that cannot
 * be known. The attack on whoever is told that nothing was done: he submits it again, and it runs twice.
 */
async function isOnRecord(
  engine: Engine,
  id: string,
  reservation: string | undefined,
  cause: unknown,
): Promise<boolean> {
  try {
    // first: it waits for a statement that is still under way, and one that comes later finds its key gone
    if (reservation) await releaseKey(engine.db, reservation)
    return (await findJob(engine.db, id)) !== undefined
  } catch {
    throw new WritError('store_unavailable', 'whether the job is on record is not known', { cause })
  }
}

function ignoredFields(body: object): string[] {
  return setKeys(Submission, body).filter(key => !(ROUTING_FIELDS as readonly string[]).includes(key))
}

/** How a caller stands in the audit trail. */
export function actorOf(caller: Caller): string {
  return caller.entity ? `${caller.name} (${caller.entity})` : caller.name
}
