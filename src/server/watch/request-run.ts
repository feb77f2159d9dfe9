import { isDeepStrictEqual } from 'node:util'
import { WritError } from '../../protocol/errors.ts'
import type { NamedRequest, Plan, PlanLogin } from '../../protocol/watch-plan.ts'
import type { Vault } from '../../vault/client.ts'
import { isVaultError } from '../../vault/error.ts'
import type { VaultAuth } from '../../vault/response.ts'
import { wasNotTaken } from '../../vault/retry.ts'
import { Secret } from '../../vault/secret.ts'
import { renewSelf, revokeSelf } from '../../vault/token.ts'
import { record } from '../audit/audit.ts'
import type { Engine } from '../jobs/engine.ts'
import { renewalDue } from '../jobs/keep-alive.ts'
import { seal, unseal } from '../jobs/sealed.ts'
import type { SourcedSecrets } from '../jobs/source.ts'
import { VAULTS_VARIABLE } from '../runtimes/kubernetes/template.ts'
import type { Job } from '../store/jobs.ts'
import type { WatchAccess } from '../store/watch-schema.ts'
import { dueTaskTokens, findTaskOfJob, keepToken, markEffects, type WatchTask } from '../store/watch-tasks.ts'
import { findWatch, type Watch } from '../store/watches.ts'
import { accessError, accessVault, loginForRun } from './access.ts'
import { planVaultOf } from './plan.ts'
import { variableOf, vaultPathOf } from './requests.ts'
import { issueCertificate, listOfLogins, loginAtVault, revokeLogin, type VaultLogin } from './vault-logins.ts'

/**
 * Makes the requests of a run, each response-wrapped, one after another (gitops.md §9); answers variables and wrapping tokens. The
 * token that they are made with holds the leases of what they bring: it is on record, encrypted, before the first of them, lives
 * as long as the job, and is revoked after it.
 */
export async function makeRequests(
  engine: Engine,
  watch: Watch,
  job: Job,
  plan: Plan,
  signal: AbortSignal,
): Promise<SourcedSecrets> {
  const logins = plan.kubernetes?.vaults ?? []
  if (plan.requests.length + logins.length === 0) return { env: new Map(), masks: new Map() }
  const { access } = watch
  if (!access) throw new WritError('watch_access_missing')
  // what was signed, or at least judged, was another Vault
  if (!isDeepStrictEqual(plan.vault, planVaultOf(access))) throw new WritError('watch_changed')
  // of an earlier try that did not come to a start
  await releaseToken(engine, job.id)
  await refuseRepetition(engine, job.id)
  const vault = accessVault(access)
  try {
    const current = async () => (await findWatch(engine.db, watch.name)) ?? watch
    const auth = await inTime(signal, limited => loginForRun(engine, vault, access, current, limited))
    await keep(engine, job.id, auth, access)
    const made = await makeLogins(logins, { vault, token: auth.token, signal }, async done => {
      await keep(engine, job.id, auth, access, done)
    })
    const tokens = new Map<string, Secret>()
    const effects = new Effects(engine, job.id)
    for (const request of plan.requests) {
      await effects.before(request)
      const making = inTime(signal, limited => makeRequest(vault, auth.token, request, limited))
      const token = await making.catch(error => effects.after(request, error))
      tokens.set(variableOf(request.name), token)
      const { name, method, path } = request
      const detail = { watch: watch.name, name, method, path }
      await record(engine.db, { action: 'watch.request_made', job: job.id, actor: engine.node, detail })
    }
    if (logins.length > 0) tokens.set(VAULTS_VARIABLE, listOfLogins(made))
    // a job that takes its list apart may print a piece of it; no variable has a name with a blank
    return { env: tokens, masks: new Map(made.map(({ name, token }, n) => [`token ${n} ${name}`, new Secret(token)])) }
  } catch (error) {
    throw accessError(error)
  } finally {
    await vault.close()
  }
}

/** Each is on record before the next: whatever happens then, it is revoked. */
async function makeLogins(
  logins: readonly PlanLogin[],
  { vault, token, signal }: { vault: Vault; token: Secret; signal: AbortSignal },
  kept: (done: readonly VaultLogin[]) => Promise<void>,
): Promise<VaultLogin[]> {
  const done: VaultLogin[] = []
  if (logins.length === 0) return done
  const certificate = await inTime(signal, limited => issueCertificate(vault, token, limited))
  for (const login of logins) {
    done.push(await inTime(signal, limited => loginAtVault(login, certificate, limited)))
    await kept(done)
  }
  return done
}

/** For one answer: whoever sends it in drops would keep a place on the node for as long as he likes. */
const ANSWER_MS = 60_000

async function inTime<T>(signal: AbortSignal, ask: (limited: AbortSignal) => Promise<T>): Promise<T> {
  const late = AbortSignal.timeout(ANSWER_MS)
  try {
    return await ask(AbortSignal.any([signal, late]))
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error
    throw new WritError('watch_vault_unavailable', 'the answer takes too long')
  }
}

const READING = new Set(['GET', 'LIST'])

/** Throws `watch_request_uncertain` for a run that got as far as a request which changes something, here or on another node. */
async function refuseRepetition(engine: Engine, jobId: string): Promise<void> {
  const task = await findTaskOfJob(engine.db, jobId)
  if (task?.effects_at) throw new WritError('watch_request_uncertain', `made at ${task.effects_at.toISOString()}`)
}

/** Keeps on record that a run may have changed something at its Vault, so that nobody does it a second time for it. */
class Effects {
  readonly #engine: Engine
  readonly #jobId: string
  #made = 0

  constructor(engine: Engine, jobId: string) {
    this.#engine = engine
    this.#jobId = jobId
  }

  async before({ method }: NamedRequest): Promise<void> {
    if (READING.has(method)) return
    this.#made += 1
    if (this.#made === 1) await markEffects(this.#engine.db, this.#jobId, new Date())
  }

  /** What a failed request means for the run. */
  async after({ name, method }: NamedRequest, error: unknown): Promise<never> {
    const untouched = READING.has(method) || wasNotTaken(error)
    if (!READING.has(method) && untouched) {
      this.#made -= 1
      if (this.#made === 0) await markEffects(this.#engine.db, this.#jobId, null)
    }
    // one that is away is waited for and asked again: not after something was changed
    const known = accessError(error)
    const away = known instanceof WritError && known.code === 'watch_vault_unavailable'
    if (!away || this.#made === 0) throw error
    throw new WritError('watch_request_uncertain', `${name}: ${known.detail}`, { cause: error })
  }
}

async function makeRequest(vault: Vault, token: Secret, request: NamedRequest, signal: AbortSignal): Promise<Secret> {
  const { path, query } = vaultPathOf(request)
  try {
    const answer = await vault.send({
      method: request.method as 'GET',
      path,
      query,
      token,
      body: Object.keys(request.options).length > 0 ? request.options : undefined,
      wrapTtl: `${request.wrap_ttl}s`,
      signal,
    })
    if (answer?.wrap) return answer.wrap.token
    // what is not wrapped has been seen on the way, and nothing is there to hand over
    throw new WritError('watch_request_failed', `${request.name}: the answer is not wrapped`)
  } catch (error) {
    if (!isVaultError(error) || error.kind === 'unavailable') throw error
    throw new WritError('watch_request_failed', `${request.name}: ${error.message}`, { cause: error })
  }
}

/** What is kept, encrypted, of the token of a run. */
interface Kept {
  readonly token: string
  /** Where it came from. The attack: what is configured now may be another Vault, which would be sent the token of this one. */
  readonly access: WatchAccess
  /** When it ends by itself, in milliseconds; null for never. */
  readonly until: number | null
  /** At other Vaults; not renewed, which would need their certificate again. */
  readonly logins?: readonly VaultLogin[]
}

async function keep(
  engine: Engine,
  jobId: string,
  auth: VaultAuth,
  access: WatchAccess,
  logins: readonly VaultLogin[] = [],
): Promise<void> {
  const until = auth.leaseSeconds > 0 ? Date.now() + auth.leaseSeconds * 1000 : null
  const kept: Kept = { token: auth.token.reveal(), access, until, logins }
  const [sealed = ''] = await seal(engine, [JSON.stringify(kept)])
  await keepToken(engine.db, jobId, sealed, renewalDue(auth.leaseSeconds))
}

/** How long the other Vault may take; one that is away is asked again by `maintainTokens`. */
const PATIENCE_MS = 5_000
/** After the end of a token, for clocks that differ. */
const GRACE_MS = 60_000

/** Revokes the token that the requests of a job were made with, and with it what they brought. */
export async function releaseToken(engine: Engine, jobId: string): Promise<void> {
  const task = await findTaskOfJob(engine.db, jobId)
  if (!task?.sealed_vault_token) return
  try {
    await withToken(engine, task.sealed_vault_token, async (vault, token, { until, logins = [] }) => {
      const signal = AbortSignal.timeout(PATIENCE_MS)
      // all of them, whichever fails
      const results = await Promise.allSettled([
        unlessOver(until, revokeSelf(vault, token, signal)),
        ...logins.map(login => unlessOver(login.until, revokeLogin(login, signal))),
      ])
      for (const result of results) if (result.status === 'rejected') throw result.reason
      await keepToken(engine.db, jobId, null, null)
    })
  } catch (error) {
    engine.log.warn({ job: jobId, err: accessError(error) }, 'the Vault token of a run was not revoked; trying again')
  }
}

/** What has ended by itself need not be revoked: asking for ever would keep the watch from being removed. */
async function unlessOver(until: number | null, revoked: Promise<void>): Promise<void> {
  try {
    await revoked
  } catch (error) {
    if (until === null || Date.now() < until + GRACE_MS) throw error
  }
}

/** How soon another node or the next round may try again. */
const AGAIN_MS = 15_000

/**
 * Renews the tokens of running jobs that are due, and revokes those of ended ones that could not be revoked then. All at once: one
 * Vault that does not answer must not let the tokens of others end.
 */
export async function maintainTokens(engine: Engine): Promise<void> {
  const due = await dueTaskTokens(engine.db, AGAIN_MS)
  await Promise.all(
    due.map(async task =>
      task.state === 'started' ? await renew(engine, task) : await releaseToken(engine, task.job_id ?? ''),
    ),
  )
}

async function renew(engine: Engine, { job_id, sealed_vault_token }: WatchTask): Promise<void> {
  try {
    await withToken(engine, sealed_vault_token ?? '', async (vault, token, { access, logins }) => {
      const auth = await renewSelf(vault, token, AbortSignal.timeout(PATIENCE_MS))
      await keep(engine, job_id ?? '', auth, access, logins)
    })
  } catch (error) {
    engine.log.warn({ job: job_id, err: accessError(error) }, 'the Vault token of a run was not renewed')
  }
}

async function withToken(
  engine: Engine,
  sealed: string,
  action: (vault: Vault, token: Secret, kept: Kept) => Promise<void>,
): Promise<void> {
  const [text = ''] = await unseal(engine, [sealed])
  const kept = JSON.parse(text) as Kept
  const vault = accessVault(kept.access)
  try {
    await action(vault, new Secret(kept.token), kept)
  } finally {
    await vault.close()
  }
}
