import { WritError } from '../../../protocol/errors.ts'
import type { Signal } from '../../../vault/signal.ts'
import { Deadline } from '../deadline.ts'
import { PATIENCE_MS, REMEMBERED_MS, type Use, type Uses } from './uses.ts'

/** Looking at what is old for each request was a fortieth of its cost. */
const FORGET_EVERY_MS = 1_000

interface Entry {
  kept: number
  /** How many are under way. */
  pending: number
  /** Where somebody waits: resolves when one of those that are under way is decided. */
  decided: PromiseWithResolvers<void> | null
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

  async take(task: string, limit: number, signal: Signal): Promise<Use> {
    const end = this.#now() + PATIENCE_MS
    for (;;) {
      this.#forget()
      const entry = this.#entries.get(task) ?? this.#enter(task)
      if (entry.kept >= limit) throw new WritError('task_served')
      if (entry.kept + entry.pending < limit) return this.#use(task, entry)
      const patience = new Deadline(end - this.#now(), signal)
      const late = new Promise<void>(done => patience.addEventListener('abort', done))
      entry.decided ??= Promise.withResolvers()
      if (!patience.aborted) await Promise.race([entry.decided.promise, late])
      patience.clear()
      if (patience.aborted) throw new WritError('task_pending')
    }
  }

  async close(): Promise<void> {
    this.#entries.clear()
  }

  #enter(task: string): Entry {
    const entry = { kept: 0, pending: 0, decided: null, since: this.#now() }
    this.#entries.set(task, entry)
    return entry
  }

  #use(task: string, entry: Entry): Use {
    entry.pending += 1
    let open = true
    const decide = (kept: number) => {
      if (!open) return
      open = false
      entry.pending -= 1
      entry.kept += kept
      if (entry.kept === 0 && entry.pending === 0) this.#entries.delete(task)
      entry.decided?.resolve()
      entry.decided = null
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
      if (pending === 0) this.#entries.delete(task)
    }
  }
}
