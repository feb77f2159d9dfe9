import { join } from 'node:path'
import { openRepository } from '../../src/server/watch/repository/repository.ts'
import { type AcceptedCommit, checkQuorum } from '../../src/server/watch/signatures/quorum.ts'
import type { Case, Made } from './case.ts'
import { World } from './world.ts'

/** Makes all cases in one real repository, fetches it as a watch does, and says what comes of each. */
export class Judged {
  readonly world = new World()
  readonly #made = new Map<Case, Made>()
  readonly #repository = openRepository({
    address: this.world.repository.path,
    branch: 'main',
    protocols: ['file'],
    cacheDirectory: join(this.world.folder, 'cache'),
  })

  async make(cases: readonly Case[]): Promise<void> {
    for (const one of cases) {
      try {
        this.#made.set(one, one.make(this.world))
      } catch (error) {
        throw new Error(`cannot make: ${one.name}`, { cause: error })
      }
    }
    this.world.publish([...this.#made.values()].map(({ subject }) => subject))
    await this.#repository.fetch(await this.#repository.tip())
  }

  /** The accepted commit, or the error that refuses it. */
  async judge(one: Case): Promise<{ made: Made; verdict: AcceptedCommit | Error }> {
    const made = this.#made.get(one) as Made
    const { subject, keys, required = 1, now = new Date() } = made
    try {
      return { made, verdict: await checkQuorum(await this.#repository.evidence(subject), keys, required, now) }
    } catch (error) {
      return { made, verdict: error as Error }
    }
  }

  close(): void {
    this.#repository.close()
    this.world.close()
  }
}
