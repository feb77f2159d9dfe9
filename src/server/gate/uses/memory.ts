import { WritError } from '../../../protocol/errors.ts'
import { deadline } from '../deadline.ts'
import { PATIENCE_MS, REMEMBERED_MS, type Use, type Uses } from './uses.ts'

/** Looking at what is old for each request was a fortieth of its cost. */
const FORGET_EVERY_MS = 1_000

interface Entry {
  kept: number
  /** Resolve when one of those that are under way is decided; null when none is: a set for each task of a day is twice the memory. */
  pending: Set<Promise<void>> | null
  readonly since: number
}

/** For a gate that is alone and without a database: forgets everything when it ends, as vault-gatekeeper's did. */
export class MemoryUses implements Uses {
  readonly recorded = false
  readonly #entries = new Map<string, Entry>()
  readonly #rememberedMs: number
  readonly #now: () => number
  #forgetAt = 0

  constructor(rememberedMs = REMEMBERED_MS, now: () => number = () => performance.now()) {
    this.#rememberedMs = rememberedMs
    this.#now = now
  }

  async take(task: string, limit: number, signal: AbortSignal): Promise<Use> {
    const end = this.#now() + PATIENCE_MS
    for (;;) {
      this.#forget()
      const entry = this.#entries.get(task) ?? { kept: 0, pending: null, since: this.#now() }
      this.#entries.set(task, entry)
      if (entry.kept >= limit) throw new WritError('task_served')
      if (entry.kept + (entry.pending?.size ?? 0) < limit) return this.#use(task, entry)
      const patience = deadline(end - this.#now(), signal)
      const late = new Promise<void>(done => patience.signal.addEventListener('abort', () => done(), { once: true }))
      if (!patience.signal.aborted) await Promise.race([...(entry.pending ?? []), late])
      patience.clear()
      if (patience.signal.aborted) throw new WritError('task_pending')
    }
  }

  async close(): Promise<void> {
    this.#entries.clear()
  }

  #use(task: string, entry: Entry): Use {
    const { promise, resolve } = Promise.withResolvers<void>()
    entry.pending ??= new Set()
    const { pending } = entry
    pending.add(promise)
    const decide = (kept: number) => {
      if (!pending.delete(promise)) return
      entry.kept += kept
      if (pending.size === 0) entry.pending = null
      if (entry.kept === 0 && pending.size === 0) this.#entries.delete(task)
      resolve()
    }
    return {
      keep: async () => {
        decide(1)
        return true
      },
      giveBack: async () => decide(0),
    }
  }

  /** Entries lie in the order of their age. */
  #forget(): void {
    if (this.#now() < this.#forgetAt) return
    this.#forgetAt = this.#now() + FORGET_EVERY_MS
    for (const [task, { since, pending }] of this.#entries) {
      if (this.#now() - since < this.#rememberedMs) return
      if (!pending) this.#entries.delete(task)
    }
  }
}
