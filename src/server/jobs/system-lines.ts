import { appendSystemOutput } from '../store/output.ts'
import { type Hold, HoldLost } from '../store/runs.ts'
import type { Engine } from './engine.ts'

/** Lines of an instant are stored together. */
const COALESCE_MS = 100

/**
 * What the system has to say among a job's output, before the job itself says anything: the progress of a pull. Followers see it;
 * `output` of the job's record does not have it. What cannot be stored is left out: it is for people who wait.
 */
export class SystemLines {
  readonly #engine: Engine
  readonly #hold: Hold
  #pending: string[] = []
  #storing: Promise<void> | null = null
  #wrote = false

  constructor(engine: Engine, hold: Hold) {
    this.#engine = engine
    this.#hold = hold
  }

  say(line: string): void {
    this.#wrote = true
    this.#pending.push(`${line}\n`)
    this.#storing ??= this.#store()
  }

  /** Waits until all of it is stored. Whether there was anything: the job's place in the output is another one then. */
  async end(): Promise<boolean> {
    await this.#storing
    return this.#wrote
  }

  async #store(): Promise<void> {
    while (this.#pending.length > 0) {
      await new Promise(resolve => setTimeout(resolve, COALESCE_MS))
      const lines = this.#pending.splice(0)
      try {
        await appendSystemOutput(this.#engine.db, this.#hold, Buffer.from(lines.join('')))
      } catch (error) {
        if (error instanceof HoldLost) break
        this.#engine.log.warn({ job: this.#hold.id, err: error }, 'progress was not stored')
      }
    }
    this.#storing = null
  }
}
