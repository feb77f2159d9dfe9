import { WritError } from '../../protocol/errors.ts'

/** Of one watch: the one that is made and those that wait for it. */
const OF_ONE = 4

/**
 * Who looks at a plan has it fetched, and reading is allowed to many: one at a time for each watch, a few at once on the node, and
 * not more than a few waiting.
 */
export class Turns {
  readonly #atOnce: number
  readonly #queues = new Map<string, { length: number; last: Promise<unknown> }>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** Throws `watch_plan_busy`. */
  async take<T>(key: string, action: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(key) ?? { length: 0, last: Promise.resolve() }
    if (queue.length >= OF_ONE) throw new WritError('watch_plan_busy')
    this.#queues.set(key, queue)
    queue.length += 1
    const turn = queue.last.then(() => this.#place(action))
    queue.last = turn.catch(() => {})
    try {
      return await turn
    } finally {
      queue.length -= 1
      if (queue.length === 0) this.#queues.delete(key)
    }
  }

  async #place<T>(action: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running += 1
    try {
      return await action()
    } finally {
      const next = this.#waiting.shift()
      // the place goes on to whoever waits longest
      if (next) next()
      else this.#running -= 1
    }
  }
}
