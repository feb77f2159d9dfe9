import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import { PATIENCE_MS, REMEMBERED_MS, type Use, type Uses } from './uses.ts'

interface Entry {
  kept: number
  /** Resolve when one of those that are under way is decided. */
  readonly pending: Set<Promise<void>>
  readonly since: number
}

/** For a gate that is alone and without a database: forgets everything when it ends, as vault-gatekeeper's did. */
export class MemoryUses implements Uses {
  readonly #entries = new Map<string, Entry>()
  readonly #rememberedMs: number
  readonly #now: () => number

  constructor(rememberedMs = REMEMBERED_MS, now: () => number = () => performance.now()) {
    this.#rememberedMs = rememberedMs
    this.#now = now
  }

  async take(task: string, limit: number, signal: AbortSignal): Promise<Use> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)])
    for (;;) {
      this.#forget()
      const entry = this.#entries.get(task) ?? { kept: 0, pending: new Set(), since: this.#now() }
      this.#entries.set(task, entry)
      if (entry.kept >= limit) throw new WritError('task_served')
      if (entry.kept + entry.pending.size < limit) return this.#use(task, entry)
      const late = sleep(PATIENCE_MS, undefined, { signal: patience }).catch(() => {})
      await Promise.race([...entry.pending, late])
      if (patience.aborted) throw new WritError('task_pending')
    }
  }

  async close(): Promise<void> {
    this.#entries.clear()
  }

  #use(task: string, entry: Entry): Use {
    const { promise, resolve } = Promise.withResolvers<void>()
    entry.pending.add(promise)
    const decide = (kept: number) => {
      if (!entry.pending.delete(promise)) return
      entry.kept += kept
      if (entry.kept === 0 && entry.pending.size === 0) this.#entries.delete(task)
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
    for (const [task, { since, pending }] of this.#entries) {
      if (this.#now() - since < this.#rememberedMs) return
      if (pending.size === 0) this.#entries.delete(task)
    }
  }
}
