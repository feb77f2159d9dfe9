import type { Signal } from '../../vault/signal.ts'

/**
 * A limit of time for what is done in steps, and whatever else ends the waiting. As `AbortSignal.any` with `AbortSignal.timeout`, but gone
 * when it is cleared: those stay until their time is over, which for each of a thousand requests a second is memory and work of the
 * collector. And no AbortSignal: without one, its listeners and a timer, a token cost the gate 7 and 8 % less processor time (two builds in
 * turns).
 */
export class Deadline implements Signal {
  #aborted = false
  #reason: unknown
  #listeners: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  /** When the timer looks; the end may be later. */
  #due = Number.POSITIVE_INFINITY
  #end: number
  /** The end of all steps together. */
  readonly #last: number
  readonly #outer: Signal | null
  readonly #give: () => void

  /** `ms` is for the first step, `allMs` for all of them together. */
  constructor(ms: number, outer: Signal | null = null, allMs = Number.POSITIVE_INFINITY) {
    const now = performance.now()
    this.#last = now + allMs
    this.#end = Math.min(now + ms, this.#last)
    this.#outer = outer
    this.#give = () => this.end(outer?.reason)
    if (outer?.aborted) this.#give()
    else {
      outer?.addEventListener('abort', this.#give, { once: true })
      this.#arm(now)
    }
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.push(listener)
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    const at = this.#listeners.indexOf(listener)
    if (at >= 0) this.#listeners.splice(at, 1)
  }

  /** The same for those who want a real one. */
  toAbortSignal(): AbortSignal {
    const controller = new AbortController()
    if (this.#aborted) controller.abort(this.#reason)
    else this.addEventListener('abort', () => controller.abort(this.#reason))
    return controller.signal
  }

  /** The time begins anew, for the next step of what is waited for. What is for all steps together does not. */
  restart(ms: number): void {
    if (this.#aborted) return
    const now = performance.now()
    this.#end = Math.min(now + ms, this.#last)
    // a later end needs no timer of its own: the one that there is looks again
    if (this.#end < this.#due) this.#arm(now)
  }

  /** Nobody waits any more: it ends for this reason. */
  end(reason: unknown): void {
    this.clear()
    if (this.#aborted) return
    this.#aborted = true
    this.#reason = reason
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  /** To be called when what was waited for is there. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#outer?.removeEventListener('abort', this.#give)
  }

  #arm(now: number): void {
    clearTimeout(this.#timer)
    this.#due = this.#end
    // never early: a timer counts in whole milliseconds
    this.#timer = setTimeout(() => this.#look(), Math.ceil(this.#end - now))
  }

  #look(): void {
    const now = performance.now()
    if (now < this.#end) this.#arm(now)
    else this.end(new DOMException('no answer in time', 'TimeoutError'))
  }
}
