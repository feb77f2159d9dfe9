import type { Database } from '../store/database.ts'
import { sayAlive } from '../store/nodes.ts'

/** That this node lives, as the others know it. What it keeps for jobs to come is its own only as long as it does: they clear it away afterwards. */
export class Pulse {
  readonly #db: Database
  readonly #node: string
  readonly #forMs: number
  #until = Number.NEGATIVE_INFINITY

  constructor(db: Database, node: string, forMs: number) {
    this.#db = db
    this.#node = node
    this.#forMs = forMs
  }

  /** No longer than the others think so; a node that stood still knows at once that it did. */
  get alive(): boolean {
    return performance.now() < this.#until
  }

  async beat(): Promise<void> {
    const asked = performance.now()
    await sayAlive(this.#db, this.#node, this.#forMs)
    this.#until = asked + this.#forMs
  }

  async end(): Promise<void> {
    this.#until = Number.NEGATIVE_INFINITY
    await sayAlive(this.#db, this.#node, 0)
  }
}
