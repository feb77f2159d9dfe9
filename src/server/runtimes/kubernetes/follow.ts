import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { Attachment, Exit, OutputFrame, SystemLine } from '../runtime.ts'
import type { Job, Pod } from './answers.ts'
import type { JobsApi } from './jobs-api.ts'
import { endOf, startedAt } from './manifest.ts'
import { everRan, exitOf, isOver, newsOf } from './pod.ts'
import { PodOutput } from './pod-output.ts'

export interface FollowOptions {
  /** How long the API may be away before the run counts as out of reach. */
  readonly patienceMs: number
  /** How long a pod may take to start. */
  readonly startMs: number
  /** How long Kubernetes may take to say that a Job has ended whose pod has. */
  readonly endMs: number
  readonly graceSeconds: number
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000
/** A SIGKILL: of a pod that Kubernetes counts as failed and that nobody has seen end. */
const KILLED = 137

const OUTPUT_LOST: SystemLine = {
  stream: 'system',
  data: Buffer.from('Kubernetes: the end of the output cannot be read any more\n'),
  gap: true,
}

/** What there is to be seen of a Job. */
interface Sight {
  readonly job: Job
  readonly pod: Pod | undefined
}

/**
 * Follows a Job that was started: the output of its pod, from a position on, and how it ends. Only the Job's own conditions say that it
 * ended; flant_gitops took the first pod that failed for the end (gitops.md §16.4).
 */
export function follow(
  api: JobsApi,
  job: Job,
  from: number,
  options: FollowOptions,
  signal: AbortSignal | undefined,
): Attachment {
  const exit = Promise.withResolvers<Exit>()
  exit.promise.catch(() => {})
  const following = new Following(api, job, from, options, signal)
  async function* output(): AsyncGenerator<OutputFrame | SystemLine> {
    try {
      exit.resolve(yield* following.toTheEnd())
    } catch (error) {
      exit.reject(error)
      // what came until then is the job's output; why there is no more is said by the exit
      signal?.throwIfAborted()
    } finally {
      exit.reject(new WritError('runtime_unavailable', 'the output was not read to its end'))
    }
  }
  return { output: output(), exit: exit.promise }
}

class Following {
  readonly #api: JobsApi
  readonly #name: string
  readonly #uid: string
  readonly #output: PodOutput
  readonly #options: FollowOptions
  readonly #signal: AbortSignal | undefined
  readonly #told = new Set<string>()
  /** The pod as it was seen last. */
  #seen: Pod | undefined
  #gaveUp = false
  #unreadableSince: number | null = null
  /** Since when there is nothing left to wait for but Kubernetes' own word. */
  #endingSince: number | null = null

  constructor(api: JobsApi, { metadata }: Job, from: number, options: FollowOptions, signal: AbortSignal | undefined) {
    this.#api = api
    this.#name = metadata.name
    this.#uid = metadata.uid
    this.#options = options
    this.#signal = signal
    this.#output = new PodOutput(api, from, signal)
  }

  async *toTheEnd(): AsyncGenerator<OutputFrame | SystemLine, Exit> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const sight = await this.#patiently(() => this.#look())
      yield* this.#news(sight.pod)
      const before = this.#output.position
      if (sight.pod && (yield* this.#read(sight.pod))) {
        if (this.#output.position > before) pauseMs = FIRST_PAUSE_MS
        // a log that ends again and again while its container runs must not be asked for without a pause
        await this.#pause(pauseMs)
        continue
      }
      const end = endOf(sight.job)
      if (end && !this.#mayRead(sight.pod)) {
        if (this.#seen && !this.#output.complete(this.#seen)) yield OUTPUT_LOST
        return this.#exit(end, sight)
      }
      if (!end) await this.#hurry(sight)
      await this.#pause(pauseMs)
    }
  }

  /** What there is of the output at this moment, or while it lasts; whether there was anything to read. */
  async *#read(pod: Pod): AsyncGenerator<OutputFrame | SystemLine, boolean> {
    const reading = this.#output.read(pod)
    try {
      for (;;) {
        const next = await reading.next()
        if (next.done) {
          this.#unreadableSince = null
          return next.value
        }
        yield next.value
      }
    } catch {
      this.#signal?.throwIfAborted()
      // the line was cut, or Kubernetes is away, which the next look will find out
      this.#unreadableSince ??= performance.now()
      return false
    } finally {
      await reading.return(false)
    }
  }

  /** Whether there may be more of the output, and somebody to read it from. */
  #mayRead(pod: Pod | undefined): boolean {
    const since = this.#unreadableSince
    return pod !== undefined && since !== null && performance.now() - since < this.#options.patienceMs
  }

  async #look(): Promise<Sight> {
    const job = await this.#api.find(this.#name, this.#signal)
    if (job?.metadata.uid !== this.#uid) throw new WritError('container_lost')
    const pods = await this.#api.pods(job, this.#signal)
    // it cannot be known what both of them did
    if (pods.length > 1) throw new WritError('container_lost', 'Kubernetes made a second pod')
    const known = this.#seen && pods.some(({ metadata }) => metadata.uid === this.#seen?.metadata.uid)
    if (this.#seen && pods[0] && !known) throw new WritError('container_lost', 'Kubernetes made a second pod')
    if (job.spec.suspend === true && !endOf(job))
      throw new WritError('container_lost', 'somebody has suspended the Job')
    this.#seen = pods[0] ?? this.#seen
    return { job, pod: pods[0] }
  }

  *#news(pod: Pod | undefined): Generator<SystemLine> {
    for (const line of newsOf(pod)) {
      // one that cannot pull an image says so in turns, for as long as it tries
      if (this.#told.has(line) || this.#told.size >= 100) continue
      this.#told.add(line)
      yield { stream: 'system', data: Buffer.from(`Kubernetes: ${line}\n`) }
    }
  }

  /** Bounds what Kubernetes leaves open: a pod that does not start, and an end that is not said. */
  async #hurry({ job, pod }: Sight): Promise<void> {
    const { startMs, endMs, graceSeconds } = this.#options
    const started = startedAt(job)?.getTime() ?? 0
    const ran = this.#seen !== undefined && everRan(this.#seen)
    if (!ran && !this.#gaveUp && Date.now() - started > startMs) {
      this.#gaveUp = true
      const [ended] = await this.#patiently(() => this.#api.stop(job, graceSeconds))
      this.#seen = ended ?? this.#seen
    }
    const ending = this.#gaveUp || (pod ? isOver(pod) : this.#seen !== undefined) || isEnding(job)
    if (!ending) this.#endingSince = null
    else this.#endingSince ??= performance.now()
    if (this.#endingSince !== null && performance.now() - this.#endingSince > endMs + graceSeconds * 1000)
      throw new WritError('runtime_unavailable', 'Kubernetes: the pod has ended, and the Job does not')
  }

  #exit({ type, reason }: NonNullable<ReturnType<typeof endOf>>, { job, pod }: Sight): Exit {
    const known = this.#seen && exitOf(this.#seen)
    if (type === 'Complete') {
      if (known && known.code !== 0) throw new WritError('container_lost', 'Kubernetes contradicts itself')
      return { code: 0, outOfMemory: false }
    }
    const late = reason === 'DeadlineExceeded' && !this.#gaveUp
    if (known && known.code !== 0) return { ...known, ...(late ? { late } : {}) }
    if (late) return { code: KILLED, outOfMemory: false, late }
    // that nobody saw it run proves nothing: it may have begun and ended between two looks
    const told = pod ?? (this.#seen?.metadata.deletionTimestamp ? this.#seen : undefined)
    const none = !this.#seen && (job.status?.failed ?? 0) === 0
    const ran = this.#seen !== undefined && everRan(this.#seen)
    // it failed, but perhaps only by being deleted, when its commands had done what they do
    if (ran || (!told && !none)) return { code: KILLED, outOfMemory: false, uncertain: true }
    throw new WritError('pod_not_started', [...this.#told].at(-1) ?? reason)
  }

  async #patiently<T>(action: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.#options.patienceMs
    for (;;) {
      try {
        return await action()
      } catch (error) {
        const away = error instanceof WritError && error.code === 'runtime_unavailable'
        if (!away || performance.now() > until) throw error
        await this.#pause(LONGEST_PAUSE_MS)
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, this.#signal ? { signal: this.#signal } : {})
  }
}

/** On its way to an end that may not come: pods on a machine that is away do not end. */
function isEnding({ status }: Job): boolean {
  const signs = ['FailureTarget', 'SuccessCriteriaMet']
  return status?.conditions?.some(({ type, status: is }) => signs.includes(type) && is === 'True') ?? false
}
