import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { OutputFrame, SystemLine } from '../runtime.ts'
import type { Pod } from './answers.ts'
import type { JobsApi } from './jobs-api.ts'
import { LogLines, type LogPiece, sinceOf } from './log-lines.ts'
import { containersOf, hasEnded, hasStarted } from './pod.ts'

/** A log that says nothing for so long is opened anew: a line may be dead without anybody having closed it. */
const SILENCE_MS = 60_000
const DAY_MS = 86_400_000
/** The line that was given out last is read again each time: where it is not there any more, others may be gone too. */
const GAP: SystemLine = {
  stream: 'system',
  data: Buffer.from('Output may be missing here: Kubernetes has forgotten the beginning of a long log.\n'),
  gap: true,
}

/**
 * The output of a pod's containers, one after the other, from a position on. Kubernetes keeps stdout and stderr of a container in one
 * log, so all of it is stdout.
 */
export class PodOutput {
  readonly #api: JobsApi
  readonly #signal: AbortSignal | undefined
  /** Of what was given out. */
  #position: number
  /** Containers that are read to their end. */
  readonly #done = new Set<string>()
  /** The container that the position is in; null: of an earlier attempt, which did not say. */
  #container: string | null = null

  constructor(api: JobsApi, from: number, signal: AbortSignal | undefined) {
    this.#api = api
    this.#position = from
    this.#signal = signal
  }

  /** Reads what there is; of a container that runs, until it ends or the line is cut. Whether there was something to read. */
  async *read(pod: Pod): AsyncGenerator<OutputFrame | SystemLine, boolean> {
    const next = containersOf(pod).find(({ name }) => !this.#done.has(name))
    if (!next || !hasStarted(next.status)) return false
    // looked at before: what has ended then is read to its end
    const ended = hasEnded(next.status)
    yield* this.#log(pod, next.name, !ended)
    if (ended) this.#done.add(next.name)
    return true
  }

  get position(): number {
    return this.#position
  }

  /** Whether all of it was read. */
  complete(pod: Pod): boolean {
    return containersOf(pod).every(({ name, status }) => this.#done.has(name) || !hasStarted(status))
  }

  async *#log(pod: Pod, container: string, follow: boolean): AsyncGenerator<OutputFrame | SystemLine> {
    // the machine's clock, which the times of a log are of, may be behind that of the API
    const base = Date.parse(pod.metadata.creationTimestamp) - DAY_MS
    const lines = new LogLines(base, this.#position)
    const since = this.#position > 0 ? sinceOf(base, this.#position) : null
    let doubtful = since !== null && [null, container].includes(this.#container)
    const over = new AbortController()
    const signal = this.#signal ? AbortSignal.any([this.#signal, over.signal]) : over.signal
    try {
      const log = await this.#api.log(pod, container, { follow, since }, signal)
      if (!log) throw new WritError('runtime_unavailable', 'Kubernetes: there is no output to read')
      const chunks = log[Symbol.asyncIterator]()
      for (;;) {
        const silence = new AbortController()
        const quiet = sleep(SILENCE_MS, null, { signal: silence.signal }).catch(() => null)
        const next = await Promise.race([chunks.next(), quiet]).finally(() => silence.abort())
        if (next === null || next.done) break
        const pieces = lines.push(next.value)
        if (lines.known) {
          this.#container ??= container
          doubtful = false
        }
        if (doubtful && pieces.length > 0) {
          yield GAP
          doubtful = false
        }
        yield* this.#given(container, pieces)
      }
      // a line that was begun is read again with its end, unless there will be none
      if (!follow) yield* this.#given(container, lines.end())
    } finally {
      over.abort()
    }
  }

  *#given(container: string, pieces: readonly LogPiece[]): Generator<OutputFrame> {
    if (pieces.length > 0) this.#container = container
    for (const { data, position } of pieces) {
      const before = this.#position
      this.#position = position + data.length
      yield { stream: 'stdout', data, advance: bytes => (bytes === 0 ? 0 : position - before + bytes) }
    }
  }
}
