import type { Database } from '../store/database.ts'
import type { Job } from '../store/jobs.ts'
import { readOutput, readState, type StoredChunk } from '../store/output.ts'
import { Latest } from './latest.ts'

/** So much of a job is remembered: those who keep up read the same pages at nearly the same time. */
const REMEMBERED_BYTES = 4 * 1024 * 1024
/** Of the connections to the database, this many may be busy for followers: a crowd of them must not hold up who stores. */
const READERS = 3

type End = Pick<Job, 'status' | 'return_code' | 'output_bytes'>
type State = Awaited<ReturnType<typeof readState>>

/** What all followers of one job on this node read, read once for all of them. */
export class Feed {
  readonly #state: Latest<State>
  readonly #db: Database
  readonly #jobId: string
  readonly #turns: Turns
  readonly #reading = new Map<number, Latest<StoredChunk[]>>()
  readonly #pages = new Map<number, Remembered>()
  #bytes = 0
  /** How far it is stored, where this is the node that stores it. */
  #written: number | null = null
  /** Where this is the node that ended it. */
  #ended: State

  constructor(db: Database, jobId: string, turns: Turns) {
    this.#db = db
    this.#jobId = jobId
    this.#turns = turns
    this.#state = new Latest(() => turns.take(() => readState(db, jobId)))
  }

  async state(): Promise<State> {
    return this.#ended ?? (await this.#state.get())
  }

  /** Whether what comes at byte `offset` is known here, so that nobody need be asked for it. */
  knows(offset: number): boolean {
    return this.#pages.has(offset)
  }

  /** Some chunks from byte `offset` on; empty when there are none at this moment. */
  async page(offset: number): Promise<StoredChunk[]> {
    const known = this.#pages.get(offset)?.page
    if (known) return known
    if (offset === this.#written) return []
    let reading = this.#reading.get(offset)
    if (!reading) {
      reading = new Latest(() => this.#turns.take(() => readOutput(this.#db, this.#jobId, offset)))
      this.#reading.set(offset, reading)
    }
    try {
      const page = await reading.get()
      // what is stored does not change any more, but nothing may become something
      if (page.length > 0) this.#remember(offset, page)
      return page
    } finally {
      if (reading.idle) this.#reading.delete(offset)
    }
  }

  /** What was just stored by this node, so that it need not be read again; null when it stores no more. */
  offer(chunks: readonly StoredChunk[] | null): void {
    const [first, last] = [chunks?.[0], chunks?.at(-1)]
    this.#written = last ? last.start + last.data.byteLength : null
    if (chunks && first) this.#remember(first.start, [...chunks])
  }

  /** Its end, which is on record, with all its output before. */
  end(state: End): void {
    this.#ended = state
    this.#written = state.output_bytes
  }

  #remember(offset: number, page: StoredChunk[]): void {
    if (this.#pages.has(offset)) return
    this.#pages.set(offset, { page })
    this.#bytes += sizeOf(page)
    for (const [oldest, old] of this.#pages) {
      if (this.#bytes <= REMEMBERED_BYTES) break
      this.#bytes -= sizeOf(old.page)
      this.#pages.delete(oldest)
      old.page = []
    }
  }
}

/**
 * Emptied when it is forgotten. A Map that is long in use leaves its former tables behind, each with what was in it and a link to the next
 * one; from the first that has grown old, no collection of what is young frees any of them, and they held 60 MB of pages.
 */
interface Remembered {
  page: StoredChunk[]
}

function sizeOf(page: readonly StoredChunk[]): number {
  return page.reduce((sum, chunk) => sum + chunk.data.byteLength, 0)
}

/** Lets so many work at once; the others wait in their order. */
class Turns {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(free: number) {
    this.#free = free
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free += 1
    }
  }
}

interface Followed {
  readonly turns: Turns
  readonly feeds: Map<string, { feed: Feed; followers: number }>
}

/** For each database, that is for each server of this process. */
const followed = new WeakMap<Database, Followed>()

/** To those who follow a job here; `null`: this node stores no more of it. */
export function offerToFollowers(db: Database, jobId: string, chunks: readonly StoredChunk[] | null): void {
  followed.get(db)?.feeds.get(jobId)?.feed.offer(chunks)
}

/** To those who follow a job here: it has ended, and that is on record. */
export function tellEnd(db: Database, jobId: string, end: End): void {
  followed.get(db)?.feeds.get(jobId)?.feed.end(end)
}

/** The feed of a job, shared by all who follow it here. Close it when done. */
export function openFeed(db: Database, jobId: string): { feed: Feed; close(): void } {
  let known = followed.get(db)
  if (!known) {
    known = { turns: new Turns(READERS), feeds: new Map() }
    followed.set(db, known)
  }
  const { turns, feeds } = known
  let shared = feeds.get(jobId)
  if (!shared) {
    shared = { feed: new Feed(db, jobId, turns), followers: 0 }
    feeds.set(jobId, shared)
  }
  shared.followers += 1
  const { feed } = shared
  return {
    feed,
    close: () => {
      shared.followers -= 1
      if (shared.followers === 0) feeds.delete(jobId)
    },
  }
}
