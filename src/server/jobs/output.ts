import { setTimeout as sleep } from 'node:timers/promises'
import { parseResultKey } from '../../protocol/result-key.ts'
import { sealPiece } from '../../protocol/sealed-output.ts'
import { record } from '../audit/audit.ts'
import type { Attachment, OutputFrame, OutputStream, SystemLine } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import { appendOutput, type Batch, type Stored, type StoredChunk } from '../store/output.ts'
import { type Hold, HoldLost, updateRun } from '../store/runs.ts'
import { outputPassed } from './collect.ts'
import type { Engine } from './engine.ts'
import { offerToFollowers } from './feed.ts'
import { createMasker, type Masker } from './mask.ts'
import { OutputPosition } from './output-position.ts'
import type { Secrets } from './secrets.ts'

/** Output waits this long for more of it, except the first after a pause, which goes at once. */
const COALESCE_MS = 20
/** While much is stored: a flush is eight statements, whatever its size. */
const FAST_COALESCE_MS = 100
/** No stored chunk is larger: a follower gets them whole. */
const CHUNK_BYTES = 256 * 1024
/** So many chunks are stored at once; the next as much is gathered meanwhile, and then the job's own writing waits for the database. */
const FLUSH_CHUNKS = 4
/** A job that changes from one stream to the other with each byte must not fill the memory with little pieces. */
const FLUSH_RUNS = 4_000

/** What is known of the output of a job that is taken up. */
type Known = Pick<Job, 'stdout_raw' | 'stderr_raw' | 'output_limit' | 'masked' | 'result_key'> & Stored

/**
 * Masks and stores a job's output while it happens (DESIGN §5, step 5), from where `job` says that the last attempt got to.
 * Resolves when the output has ended and all of it is stored. Throws `HoldLost`.
 */
export async function storeOutput(
  engine: Engine,
  hold: Hold,
  job: Known,
  output: Attachment['output'],
  secrets: Secrets,
  lost: AbortSignal,
): Promise<void> {
  const writer = new OutputWriter(engine, hold, job, secrets, lost)
  try {
    // whoever reads the trail must not take it for masked; a value this short would be given away by the holes
    if (writer.unmaskable.length > 0) {
      const detail = { names: writer.unmaskable }
      await engine.db.transaction().execute(async tx => {
        await updateRun(tx, hold, { unmasked: JSON.stringify(detail.names) })
        await record(tx, { action: 'job.secret_not_masked', job: hold.id, actor: hold.node, detail })
      })
    }
    for await (const frame of output) await writer.write(frame)
    await writer.end()
  } finally {
    // nothing of this writer may come after it: whoever goes on begins at what is stored then
    await writer.close()
  }
}

class OutputWriter {
  readonly #engine: Engine
  readonly #hold: Hold
  readonly #lost: AbortSignal
  readonly #maskers: Record<OutputStream, Masker>
  readonly #positions: Record<OutputStream, OutputPosition>
  readonly #maskedBefore: Record<string, number>
  readonly #limit: number
  /** Who may read it; empty: it is stored as it is. */
  readonly #recipients: readonly string[]
  readonly #chunkBytes: number
  #stored: Stored
  #pending: Run[] = []
  #pendingBytes = 0
  #gap = false
  #coalesceMs = COALESCE_MS
  #flushing: Promise<void> | null = null
  #failure: unknown = null
  #timer: NodeJS.Timeout | null = null
  #soon: NodeJS.Immediate | null = null

  constructor(engine: Engine, hold: Hold, job: Known, secrets: Secrets, lost: AbortSignal) {
    const list = [...secrets].map(([name, secret]) => ({ name, value: secret.reveal() }))
    this.#engine = engine
    this.#hold = hold
    this.#lost = lost
    // a masker of its own for each stream: they are cut into pieces independently of each other
    const masker = createMasker(list)
    this.#maskers = { stdout: masker, stderr: masker.another() }
    this.#positions = { stdout: new OutputPosition(job.stdout_raw), stderr: new OutputPosition(job.stderr_raw) }
    this.#limit = job.output_limit
    this.#recipients = job.result_key ? parseResultKey(job.result_key).recipients : []
    this.#chunkBytes = Math.min(CHUNK_BYTES, Math.floor(job.output_limit / 8))
    this.#stored = job
    this.#maskedBefore = job.masked
  }

  /** Names of secrets that are too short to be masked. */
  get unmaskable(): readonly string[] {
    return this.#maskers.stdout.unmaskable
  }

  async write(frame: OutputFrame | SystemLine): Promise<void> {
    if (this.#failure) throw this.#failure
    if (frame.stream === 'system') {
      this.#append('system', frame.data)
      this.#gap ||= frame.gap ?? false
    } else {
      const { stream, data } = frame
      const masker = this.#maskers[stream]
      this.#append(stream, masker.push(data))
      this.#positions[stream].add(frame, masker.pendingBytes, masker.heldBytes)
    }
    if (this.#pendingBytes === 0) return
    if (this.#pendingBytes >= this.#chunkBytes * FLUSH_CHUNKS || this.#pending.length >= FLUSH_RUNS) {
      await this.#flushing
      this.#flushInBackground()
    } else if (this.#flushing !== null) {
      this.#timer ??= setTimeout(() => this.#flushInBackground(), this.#coalesceMs)
    } else {
      // not a timer of 0, which takes a millisecond: somebody may be waiting for this
      this.#soon ??= setImmediate(() => this.#flushInBackground())
    }
  }

  async end(): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#append(stream, this.#maskers[stream].end())
      this.#positions[stream].end()
    }
    await this.#flush()
    if (this.#failure) throw this.#failure
  }

  /** Drops what is not stored yet, and waits for what is on its way. */
  async close(): Promise<void> {
    this.#cancel()
    this.#pending = []
    this.#pendingBytes = 0
    await this.#flushing?.catch(() => {})
    offerToFollowers(this.#engine.db, this.#hold.id, null)
  }

  #cancel(): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#soon) clearImmediate(this.#soon)
    this.#timer = null
    this.#soon = null
  }

  #append(stream: Run['stream'], data: Uint8Array): void {
    if (data.byteLength === 0) return
    const last = this.#pending.at(-1)
    if (last?.stream === stream) last.parts.push(data)
    else this.#pending.push({ stream, parts: [data] })
    this.#pendingBytes += data.byteLength
    outputPassed(data.byteLength)
  }

  #flushInBackground(): void {
    this.#flush().catch(error => {
      this.#failure = error
    })
  }

  /** One at a time, in order. */
  async #flush(): Promise<void> {
    this.#cancel()
    while (this.#flushing !== null) await this.#flushing
    if (this.#pendingBytes === 0) return
    const pending = this.#pending
    this.#coalesceMs = this.#pendingBytes >= this.#chunkBytes ? FAST_COALESCE_MS : COALESCE_MS
    this.#pending = []
    this.#pendingBytes = 0
    this.#flushing = this.#store(this.#batchOf(pending))
    try {
      await this.#flushing
    } finally {
      this.#flushing = null
    }
  }

  #batchOf(pending: readonly Run[]): Batch {
    return {
      chunks: pending.flatMap(({ stream, parts }) => pieces(parts, this.#chunkBytes).map(data => ({ stream, data }))),
      // what a masker holds back is not dealt with: after a crash it must be read again
      raw: { stdout: this.#positions.stdout.decided, stderr: this.#positions.stderr.decided },
      masked: addCounts(this.#maskedBefore, this.#maskers.stdout.counts, this.#maskers.stderr.counts),
      limit: this.#limit,
      gap: this.#gap,
    }
  }

  /** Once, and before it is tried to be stored: a repetition must be the same bytes. */
  async #seal(batch: Batch): Promise<Batch> {
    if (this.#recipients.length === 0) return batch
    const sealed = batch.chunks.map(async chunk =>
      chunk.stream === 'system' ? chunk : { ...chunk, data: await sealPiece(this.#recipients, chunk.data) },
    )
    return { ...batch, chunks: await Promise.all(sealed) }
  }

  async #store(open: Batch): Promise<void> {
    const batch = await this.#seal(open)
    for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
      try {
        const start = this.#stored.output_bytes
        this.#stored = await appendOutput(this.#engine.db, this.#hold, this.#stored, batch)
        offerToFollowers(this.#engine.db, this.#hold.id, placed(batch.chunks, start))
        this.#engine.wakeups.tellHere(this.#hold.id)
        return
      } catch (error) {
        if (error instanceof HoldLost || this.#lost.aborted) throw error
        // the database is away: the output waits here, and the job behind it, until it is back or the job is somebody else's
        this.#engine.log.warn({ job: this.#hold.id, err: error }, 'output could not be stored; trying again')
        await sleep(pauseMs, undefined, { signal: this.#lost })
      }
    }
  }
}

/** Output of one stream without any of the other between. */
interface Run {
  readonly stream: OutputStream | 'system'
  readonly parts: Uint8Array[]
}

function placed(chunks: Batch['chunks'], start: number): StoredChunk[] {
  let at = start
  return chunks.map(chunk => {
    const stored = { ...chunk, start: at }
    at += chunk.data.byteLength
    return stored
  })
}

/** The same bytes in pieces of this size. */
function pieces(parts: readonly Uint8Array[], size: number): Buffer[] {
  const whole = Buffer.concat(parts)
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, n) => whole.subarray(n * size, (n + 1) * size))
}

function addCounts(...counts: Readonly<Record<string, number>>[]): Record<string, number> {
  // a Map: a secret may be called as something that every object has, `constructor` for one
  const sum = new Map<string, number>()
  for (const count of counts) {
    for (const [name, times] of Object.entries(count)) {
      if (times > 0) sum.set(name, (sum.get(name) ?? 0) + times)
    }
  }
  return Object.fromEntries(sum)
}
