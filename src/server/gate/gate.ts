import type { Logger } from 'pino'
import { WritError } from '../../protocol/errors.ts'
import type { Vault } from '../../vault/client.ts'
import { isVaultError, shortReason } from '../../vault/error.ts'
import type { WrapInfo } from '../../vault/response.ts'
import type { Secret } from '../../vault/secret.ts'
import { lookupSelf, revokeAccessor } from '../../vault/token.ts'
import type { AuditEntry } from '../audit/audit.ts'
import type { Credentials } from '../identity/credentials.ts'
import type { Identity } from '../identity/identity.ts'
import { requireAbility } from './ability.ts'
import type { Alarms } from './alarms.ts'
import type { Deadline } from './deadline.ts'
import { makeToken, type Order } from './issue.ts'
import { type AdministrativeAction, actOf, type Operator } from './operator.ts'
import { type PlainLine, plainLines } from './plain-lines.ts'
import { loadPolicies } from './policies/load.ts'
import { chooseRole, type Grant, match, namesOf } from './policies/match.ts'
import type { PolicySet } from './policies/policy.ts'
import type { Caller, Scheduler, Task } from './schedulers/scheduler.ts'
import type { GateSettings } from './settings.ts'
import { Trickle } from './trickle.ts'
import { ISSUE_MS, PATIENCE_MS, STORE_MS, type Use, type Uses } from './uses/uses.ts'
import { LOOKUP_MS, verifyTask } from './verify.ts'

export interface GateParts {
  readonly vault: Vault
  readonly identity: Identity
  /** By name; the first is asked when a request names none. */
  readonly schedulers: ReadonlyMap<string, Scheduler>
  readonly uses: Uses
  readonly alarms: Alarms
  /** Writes to the audit trail; does nothing where there is none. */
  readonly record: (entry: AuditEntry) => Promise<void>
  /** What must be done with a token that the server is to be unsealed with before anything can be recorded. */
  readonly admit?: (token: Secret) => Promise<void>
  readonly settings: GateSettings
  readonly log: Logger
}

/** What a task sends. */
export interface TokenRequest {
  readonly taskId: string
  /** Empty: the first that the gate has. */
  readonly scheduler: string
  /** Empty: the first that its policy lists. */
  readonly role: string
}

/** What it gets: a wrapping token, which can be opened once. */
export interface Issued {
  readonly token: Secret
  readonly ttlSeconds: number
}

/** Policies with what they must not give away. */
interface Loaded {
  readonly set: PolicySet
  /** The AppRole that the gate itself is logged in to. */
  readonly ownRole: string | null
  /** Which reading it was: of two at once, the one that began later counts. */
  readonly order: number
}

/** After a load that failed, the next request tries again, but not at once. */
const LOAD_AGAIN_MS = 2_000
/** From a task that is verified to its use: policies that may have to be loaded, others of the same task, and the store. */
const TAKE_MS = ISSUE_MS + PATIENCE_MS + STORE_MS

/**
 * The gate: a task that its scheduler vouches for gets a wrapped token, as often as its policy says and no more. A request is
 * verified, then takes a use, then Vault makes the token, then the use is kept; whatever fails in between gives the use back.
 */
export class Gate {
  readonly parts: GateParts
  /** Which refusals get a line of the log. */
  readonly refusals: Trickle
  readonly #issued: PlainLine
  #loaded: Loaded | null = null
  #loading: Promise<Loaded> | null = null
  #reads = 0
  #failedAt = Number.NEGATIVE_INFINITY
  #problem = ''

  constructor(parts: GateParts) {
    this.parts = parts
    this.refusals = new Trickle(parts.log)
    this.#issued = plainLines(parts.log)
  }

  /** Why no tokens are issued although it is unsealed; empty when they are. */
  get problem(): string {
    return this.#problem
  }

  /** Number of patterns; 0 before they are loaded. */
  get policyCount(): number {
    return this.#loaded?.set.entries.size ?? 0
  }

  /** Loads the policies if there is an identity. Does not throw: what is wrong shows in `problem`, and is tried again. */
  async start(): Promise<void> {
    const { identity, vault, settings, log } = this.parts
    if (identity.state.sealed) return
    const found = await this.#policies().catch(() => null)
    if (!found) return
    const limit = AbortSignal.timeout(ISSUE_MS)
    await requireAbility(vault, identity.token(), found.set, settings, limit).catch(error => {
      log.warn({ reason: (error as Error).message }, 'this gate will hardly make a token')
    })
  }

  /**
   * Unseals with these credentials, if the policies can be loaded with what they bring. False when it was unsealed already. Throws
   * `login_refused`, `login_weak`, `vault_unavailable`, `store_unavailable`, or why there are no policies.
   */
  async unseal(credentials: Credentials, by: Operator): Promise<boolean> {
    const { identity, vault, settings, log } = this.parts
    let found: Loaded | null = null
    try {
      const unsealed = await identity.unseal(credentials, async (token, signal) => {
        found = await this.#read(token, signal)
        await requireAbility(vault, token, found.set, settings, signal)
        await this.parts.admit?.(token)
        await this.#record('gate.unsealed', by, { method: credentials.kind })
      })
      if (!unsealed) return false
    } catch (cause) {
      // without the path in Vault: who is in haste types the password where the name belongs
      const reason = isVaultError(cause) ? shortReason(cause) : cause instanceof Error ? cause.message : ''
      log.warn({ method: credentials.kind, reason }, 'unseal failed')
      throw unsealRefusal(cause)
    }
    this.#take(found)
    return true
  }

  /** At once, whatever else is broken: an operator who seals must not be kept from it by a database that is away. */
  async seal(by: Operator): Promise<void> {
    const sealing = this.parts.identity.seal('sealed by an operator')
    await this.#record('gate.sealed', by).catch(() => {})
    await sealing
  }

  /**
   * Reads the policies again; answers how many. Throws `server_sealed`, `store_unavailable`, or why they cannot be read: then the old
   * ones stay.
   */
  async reload(by: Operator): Promise<number> {
    const { identity, log } = this.parts
    try {
      const found = await this.#read(identity.token())
      await this.#record('gate.policies_reloaded', by, { policies: found.set.entries.size })
      this.#take(found)
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'policies were not reloaded')
      throw asAway(error)
    }
    return this.policyCount
  }

  /** Gives a task its token, while the caller waits; what each step may take is set here. Throws a `WritError` for every refusal. */
  async issue(asked: TokenRequest, caller: Caller, limit: Deadline): Promise<Issued> {
    const { identity, schedulers, settings, uses } = this.parts
    identity.token()
    const name = asked.scheduler || [...schedulers.keys()][0] || ''
    const scheduler = schedulers.get(name)
    if (!scheduler) throw new WritError('scheduler_unknown')
    try {
      // one for all steps, and for the caller too: a signal with a timer for each is much of what a token costs
      limit.restart(LOOKUP_MS)
      const task = await verifyTask(scheduler, asked.taskId, caller, settings, limit)
      limit.restart(TAKE_MS)
      const { set, ownRole } = this.#loaded ?? (await this.#policies())
      const grant = match(set, namesOf(name, task, settings.useImageName))
      const fetches = grant.kind === 'token' ? grant.policy.fetches : grant.fetches
      const order = orderOf(grant, asked, task, ownRole)
      const began = performance.now()
      const use = `${scheduler.sharesUsesWith ?? name}:${task.id}`
      const wrap = await this.#serve({ scheduler: name, use, task, caller, fetches, order, grant }, limit)
      const ms = Math.round(performance.now() - began)
      const facts = { scheduler: name, task: task.id, name: task.name, pattern: grant.pattern, ms }
      // without an audit trail, the log is where whoever must revoke the token finds it
      this.#issued(uses.recorded ? facts : { ...facts, accessor: wrap.wrappedAccessor }, 'token issued')
      return { token: wrap.token, ttlSeconds: wrap.ttl }
    } catch (error) {
      if (isForeign(error)) this.#alarm('foreign_task', name, { id: asked.taskId, name: '' }, caller)
      throw error
    } finally {
      limit.clear()
    }
  }

  async #serve(serving: Serving, limit: Deadline): Promise<WrapInfo> {
    const { uses, identity, vault, settings, log } = this.parts
    const { scheduler, task, caller, fetches, order, grant } = serving
    let use: Use
    try {
      use = await uses.take(serving.use, fetches, limit)
    } catch (error) {
      if (!isServed(error)) throw error
      this.#alarm('second_request', scheduler, task, caller)
      throw new WritError('task_served', grant.kind === 'role' || grant.policy.multiFetch ? 'the maximum' : undefined)
    }
    limit.restart(ISSUE_MS)
    let wrap: WrapInfo | null = null
    let done = false
    try {
      wrap = await makeToken(vault, identity.token(), order, settings, limit)
      // who hung up, or waits for too long already, has no answer to burn a use for
      if (limit.aborted) throw new WritError('vault_unavailable', 'nobody waits for it any more')
      // sealed meanwhile: from then on nobody gets anything
      identity.token()
      done = await use.keep({ actor: caller.address || 'a local process', detail: detailOf(serving, wrap) })
      if (!done) throw new WritError('task_pending', 'Vault took too long')
      return wrap
    } catch (error) {
      if (error instanceof WritError && ['token_not_made', 'vault_unavailable'].includes(error.code))
        void identity.doubt()
      throw error
    } finally {
      if (!done) {
        if (wrap) await this.#withdraw(wrap).catch(error => log.warn({ err: error }, 'an unanswered token stays'))
        void use.giveBack()
      }
    }
  }

  /** A token that was made and is not answered: nobody can open it, and nobody shall. */
  async #withdraw(wrap: WrapInfo): Promise<void> {
    const { vault, identity } = this.parts
    if (!wrap.wrappedAccessor) return
    await revokeAccessor(vault, identity.token(), wrap.wrappedAccessor, AbortSignal.timeout(2_000))
  }

  /** The policies, loaded now if they have not been yet. */
  async #policies(): Promise<Loaded> {
    if (this.#loaded) return this.#loaded
    if (performance.now() - this.#failedAt < LOAD_AGAIN_MS) throw new WritError('policies_invalid', this.#problem)
    this.#loading ??= this.#read(this.parts.identity.token())
      .then(found => this.#take(found))
      .catch(error => {
        this.#failedAt = performance.now()
        this.#problem = (error as Error).message
        this.parts.log.error({ reason: this.#problem }, 'no policies: no tokens are issued')
        throw asAway(error)
      })
      .finally(() => {
        this.#loading = null
      })
    return await this.#loading
  }

  async #read(token: Secret, limit?: AbortSignal): Promise<Loaded> {
    const { vault, settings, identity } = this.parts
    const signal = AbortSignal.any([AbortSignal.timeout(ISSUE_MS), ...(limit ? [limit] : [])])
    const order = ++this.#reads
    const set = await loadPolicies(vault, token, settings.policies, signal).catch(error => {
      if (!isVaultError(error, 'denied', 'invalid')) throw error
      void identity.doubt()
      throw new WritError('policies_unreadable', shortReason(error), { cause: error })
    })
    const { meta } = await lookupSelf(vault, token, signal)
    return { set, ownRole: typeof meta.role_name === 'string' ? meta.role_name : null, order }
  }

  /** In the log in any case; what cannot be put on the trail is an error there. Throws `store_unavailable`. */
  async #record(action: AdministrativeAction, by: Operator, detail?: Readonly<Record<string, unknown>>): Promise<void> {
    const { record, log } = this.parts
    const entry = actOf(action, by, detail)
    log.warn(entry, 'administration')
    try {
      await record(entry)
    } catch (cause) {
      log.error({ ...entry, err: cause }, 'administration is not on the audit trail')
      throw new WritError('store_unavailable', undefined, { cause })
    }
  }

  #take(found: Loaded | null): Loaded {
    if (!found) throw new WritError('policies_missing')
    // The attack: a right that was taken from a task comes back, by an answer of Vault that was on its way for longer
    if (this.#loaded && this.#loaded.order > found.order) return this.#loaded
    this.#loaded = found
    this.#problem = ''
    this.parts.log.info({ policies: found.set.entries.size }, 'policies loaded')
    return found
  }

  #alarm(
    alarm: 'second_request' | 'foreign_task',
    scheduler: string,
    task: Pick<Task, 'id' | 'name'>,
    caller: Caller,
  ): void {
    this.parts.alarms.raise({ alarm, scheduler, task: task.id, name: task.name, address: caller.address })
  }
}

interface Serving {
  readonly scheduler: string
  /** What its uses are counted under. */
  readonly use: string
  readonly task: Task
  readonly caller: Caller
  readonly fetches: number
  readonly order: Order
  readonly grant: Grant
}

function orderOf(grant: Grant, asked: TokenRequest, task: Task, ownRole: string | null): Order {
  if (grant.kind === 'token') return { kind: 'token', policy: grant.policy }
  return { kind: 'role', role: chooseRole(grant.roles, asked.role, task.name, ownRole) }
}

function detailOf({ scheduler, task, grant, order }: Serving, wrap: WrapInfo) {
  return {
    // first: what a scheduler says more of a task must not take the place of what follows
    ...task.meta,
    scheduler,
    task: task.id,
    name: task.name,
    pattern: grant.pattern,
    ...(order.kind === 'token' ? { policies: order.policy.policies } : { role: order.role }),
    // with it, and with power over it in Vault, whoever investigates can revoke what this task got
    accessor: wrap.wrappedAccessor,
  }
}

const isServed = (error: unknown) => error instanceof WritError && error.code === 'task_served'
const isForeign = (error: unknown) => error instanceof WritError && error.code === 'task_foreign'

function unsealRefusal(cause: unknown): unknown {
  if (isVaultError(cause, 'denied', 'invalid', 'not_found')) {
    return new WritError('login_refused', shortReason(cause), { cause })
  }
  return asAway(cause)
}

/** What is no refusal of ours is Vault's being away. */
function asAway(cause: unknown): unknown {
  return cause instanceof WritError ? cause : new WritError('vault_unavailable', undefined, { cause })
}
