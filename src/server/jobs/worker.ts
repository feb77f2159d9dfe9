import { isFinal } from '../../protocol/job.ts'
import type { Taker } from '../store/accept.ts'
import { claimJobs, type Limits, lookAround, reclaimJobs, renewLeases } from '../store/claims.ts'
import type { Job } from '../store/jobs.ts'
import { goneNodes } from '../store/nodes.ts'
import { handOver } from '../store/runs.ts'
import type { Engine } from './engine.ts'
import type { Intake } from './intake.ts'
import { keepTokensAlive } from './keep-alive.ts'
import { keepLeasesAlive } from './leases.ts'
import { endOverdueJob } from './overdue.ts'
import type { Opened } from './prepare.ts'
import { reapContainers } from './reap.ts'
import { removeExpired } from './retention.ts'
import { runJob } from './run.ts'

/**
 * A worker looks for work this often even if nobody wakes it: a lost notification costs so much and no more. With a short lease
 * it looks more often, because nothing announces that a lease has run out.
 */
const LOOK_AGAIN_MS = 2_000
const KEEP_ALIVE_MS = 5_000
const RETENTION_MS = 60_000
/** Of what has ended already, so many are taken in one look: they come back when the node dies, and should not all be here then. */
const RELEASED_AT_ONCE = 20
const OVERDUE_AT_ONCE = 100
const REAP_MS = 300_000
/** Who is gone is asked this often, or as often as a lease needs. */
const CLEAR_MS = 2_000

interface Running {
  readonly attempt: number
  readonly lost: AbortController
  readonly killed: AbortController
  readonly done: Promise<void>
  /** It has reached its end, and only what it held is still to be released. */
  ended: boolean
}

/** Claims jobs for this node and runs them: woken by the database, held by leases (DESIGN §7). */
export class Worker implements Intake {
  readonly #engine: Engine
  readonly #running = new Map<string, Running>()
  /** Submissions whose jobs may be claimed with them: each has a place. */
  readonly #takingIn = new Set<Promise<unknown>>()
  /** A look left room for them. */
  #leftRoom = false
  #timers: NodeJS.Timeout[] = []
  #looking: Promise<void> | null = null
  #again = false
  #keeping = false
  #clearing = false
  #stopped = false
  #draining = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  start(): void {
    this.#engine.wakeups.onQueue(() => this.#look())
    this.#timers = [
      setInterval(() => this.#look(), Math.min(LOOK_AGAIN_MS, this.#engine.settings.leaseMs / 3)),
      setInterval(() => void this.#beat(), this.#engine.settings.leaseMs / 3),
      setInterval(() => void this.#keepAlive(), KEEP_ALIVE_MS),
      setInterval(() => void this.#removeExpired(), RETENTION_MS),
      setInterval(() => void this.#reap(), REAP_MS),
      setInterval(() => void this.#clear(), Math.min(CLEAR_MS, this.#engine.settings.leaseMs)),
    ]
    void this.#beat()
    this.#look()
    void this.#reap()
  }

  /** Claims no more; what runs here goes on to its end. */
  drain(): void {
    this.#draining = true
  }

  /** Resolves when nothing runs here any more and all of it is released; after `drain` it stays so. */
  async idle(): Promise<void> {
    while (this.#running.size + this.#takingIn.size > 0) {
      const taking = [...this.#takingIn].map(stored => stored.catch(() => {}))
      await Promise.race([...taking, ...[...this.#running.values()].map(run => run.done)])
    }
  }

  get hasPlace(): boolean {
    return !this.#stopped && this.#mayClaim() && this.#free() > 0
  }

  async takeIn(store: (taker: Taker | null) => Promise<Job | null>, opened: Opened): Promise<void> {
    if (!this.hasPlace) {
      await store(null)
      return
    }
    const { node, settings, meters } = this.#engine
    const stored = store({ node, leaseMs: settings.leaseMs, limits: this.#limits })
    this.#takingIn.add(stored)
    let job: Job | null = null
    try {
      job = await stored
    } finally {
      this.#takingIn.delete(stored)
      if (!job && this.#leftRoom) this.#look()
    }
    if (!job) return
    meters.claimed.inc()
    this.#run(job, opened)
  }

  /** Claims no more, leaves running containers alone and hands their jobs to whoever comes next. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#looking
    const running = [...this.#running.values()]
    for (const run of running) run.lost.abort()
    await Promise.allSettled(running.map(run => run.done))
    // at once: where the database is away, one waits as long as the other
    const gone = this.#engine.pulse.end().catch(() => {})
    await handOver(this.#engine.db, this.#engine.node).catch(error => {
      this.#engine.log.warn({ err: error }, 'jobs were not handed over; their leases run out by themselves')
    })
    await gone
  }

  /** One look at a time; a wake-up during one causes one more. */
  #look(): void {
    if (this.#stopped) return
    this.#again = true
    this.#looking ??= this.#lookUntilDone().finally(() => {
      this.#looking = null
      // woken between the end of the last look and this line
      if (this.#again) this.#look()
    })
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false
      try {
        await this.#findWork()
      } catch (error) {
        this.#engine.log.warn({ err: error }, 'no look at the queue')
      }
    }
  }

  async #findWork(): Promise<void> {
    const { db, node } = this.#engine
    // at once, because a job may be waiting for it: nearly always there is nothing else
    const [{ killed, overdue, abandoned }] = await Promise.all([lookAround(db, node), this.#claim({ yielding: true })])
    for (const id of killed) this.#running.get(id)?.killed.abort()
    if (overdue && !this.#draining) await this.#endOverdue()
    if (abandoned && this.#mayClaim()) await this.#takeOver()
    if (overdue || abandoned) await this.#claim()
  }

  /** Without an identity a claimed job could only wait here, and keep another node from it. */
  #mayClaim(): boolean {
    return !this.#draining && !this.#engine.identity.state.sealed
  }

  async #endOverdue(): Promise<void> {
    for (let n = 0; n < OVERDUE_AT_ONCE; n += 1) {
      const overdue = await endOverdueJob(this.#engine)
      if (!overdue) break
      this.#run(overdue)
    }
  }

  async #takeOver(): Promise<void> {
    const { db, node, settings, meters } = this.#engine
    for (const job of await reclaimJobs(db, node, RELEASED_AT_ONCE, settings.leaseMs, 'ended')) this.#run(job)
    for (const job of await reclaimJobs(db, node, this.#free(), settings.leaseMs, 'running')) {
      meters.takenOver.inc()
      this.#run(job)
    }
  }

  /** Until nothing is left: a wide queue gives one job at a time, so that its jobs start in their order. */
  async #claim(options: { yielding?: boolean } = {}): Promise<void> {
    if (!this.#mayClaim()) return
    const { db, node, settings, meters } = this.#engine
    for (;;) {
      this.#leftRoom = this.#takingIn.size > 0
      const jobs = await claimJobs(db, node, this.#free(), settings.leaseMs, this.#limits, options)
      meters.claimed.inc(jobs.length)
      for (const job of jobs) this.#run(job)
      if (jobs.length === 0 || settings.queueWidths.length === 0) return
    }
  }

  get #limits(): Limits {
    const { clusterConcurrency, queueWidths } = this.#engine.settings
    return { all: clusterConcurrency, widths: queueWidths }
  }

  /** What has ended takes no place: a lease that cannot be ended must not keep other jobs from running. */
  #free(): number {
    let live = 0
    for (const run of this.#running.values()) if (!run.ended) live += 1
    return this.#engine.settings.concurrency - live - this.#takingIn.size
  }

  #run(job: Job, opened?: Opened): void {
    // a job of ours whose lease ran out under us and that we took back: the old run gives way
    this.#running.get(job.id)?.lost.abort()
    const lost = new AbortController()
    const killed = new AbortController()
    const log = this.#engine.log.child({ job: job.id, attempt: job.attempt })
    log.info({ qname: job.qname, status: job.status }, 'claimed')
    const ended = () => {
      const run = this.#running.get(job.id)
      if (run?.attempt === job.attempt) run.ended = true
      this.#look()
    }
    const done = runJob({ ...this.#engine, log }, job, { lost: lost.signal, killed: killed.signal, ended }, opened)
      .then(
        () => log.info('released'),
        error => {
          if (!lost.signal.aborted) log.error({ err: error }, 'a run was given up')
        },
      )
      .finally(() => {
        const run = this.#running.get(job.id)
        if (run?.attempt !== job.attempt) return
        this.#running.delete(job.id)
        // its place was given away when it ended, unless it was given up
        if (!run.ended) this.#look()
      })
    this.#running.set(job.id, { attempt: job.attempt, lost, killed, done, ended: isFinal(job.status) })
  }

  async #beat(): Promise<void> {
    const held = [...this.#running].map(([id, run]) => ({ id, attempt: run.attempt }))
    try {
      const still = new Set(await renewLeases(this.#engine.db, this.#engine.node, held, this.#engine.settings.leaseMs))
      for (const { id, attempt } of held) {
        const run = this.#running.get(id)
        // a job that was released in the meantime is not lost
        if (!still.has(id) && run?.attempt === attempt) run.lost.abort()
      }
      if (!this.#stopped) await this.#engine.pulse.beat()
    } catch (error) {
      this.#engine.log.warn({ err: error }, 'leases were not renewed')
    }
  }

  async #reap(): Promise<void> {
    try {
      await reapContainers(this.#engine)
    } catch (error) {
      this.#engine.log.warn({ err: error }, 'what was left over on the container engine was not removed')
    }
  }

  /** For as long as a node counts as gone: what a job still used is left the first time. */
  async #clear(): Promise<void> {
    if (this.#clearing || this.#stopped) return
    this.#clearing = true
    try {
      const gone = await goneNodes(this.#engine.db)
      if (gone.length > 0) await this.#engine.runtime.clearAfter(new Set(gone))
    } catch (error) {
      this.#engine.log.warn({ err: error }, 'what nodes that are gone kept on the container engine was not removed')
    } finally {
      this.#clearing = false
    }
  }

  async #removeExpired(): Promise<void> {
    try {
      await removeExpired(this.#engine)
    } catch (error) {
      this.#engine.log.warn({ err: error }, 'expired records were not removed')
    }
  }

  async #keepAlive(): Promise<void> {
    // one round at a time: with a Vault that answers slowly they would pile up
    if (this.#keeping || this.#engine.identity.state.sealed) return
    this.#keeping = true
    try {
      await keepTokensAlive(this.#engine)
      await keepLeasesAlive(this.#engine)
    } catch (error) {
      this.#engine.log.warn({ err: error }, 'tokens or leases of jobs were not renewed')
    } finally {
      this.#keeping = false
    }
  }
}
