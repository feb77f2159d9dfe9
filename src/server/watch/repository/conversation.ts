import { WritError } from '../../../protocol/errors.ts'
import type { Address } from './address.ts'
import type { Cache } from './cache.ts'
import { basicOf, connect } from './connection.ts'
import { type GitResult, git } from './git.ts'
import type { Limits, RepositoryOptions } from './options.ts'
import { remoteError } from './remote-error.ts'

const SIZE_CHECK_MS = 200
const MANY_PACKS = 20
const TIDY_MS = 5 * 60_000

const FETCH = [
  'fetch',
  '--quiet',
  '--no-tags',
  '--no-write-fetch-head',
  '--no-recurse-submodules',
  '--no-auto-maintenance',
  '--no-show-forced-updates',
  '--refmap=',
]

/** git, asking one server, and bringing what it says into one cache, within limits of time and size. */
export class Conversation {
  readonly #address: Address
  readonly #options: RepositoryOptions
  readonly #limits: Limits
  readonly #cache: Cache

  constructor(address: Address, options: RepositoryOptions, limits: Limits, cache: Cache) {
    this.#address = address
    this.#options = options
    this.#limits = limits
    this.#cache = cache
  }

  /** Throws what the server's refusal means (`remoteError`). */
  async ask(
    args: readonly string[],
    timeoutMs: number,
    signal: AbortSignal | undefined,
    directory: string | undefined = this.#cache.directory,
  ): Promise<GitResult> {
    using connection = connect(this.#address, this.#options)
    const { environment } = connection
    const result = await git({ directory, args, environment, timeoutMs, signal })
    if (result.code !== 0) throw remoteError(result.stderr, this.#secrets())
    return result
  }

  /** Fetches these refspecs; a cache that gets too large, or is filled by something else than git, is removed. */
  async fetch(specs: readonly string[], signal: AbortSignal | undefined, more: readonly string[] = []): Promise<void> {
    const args = [...FETCH, ...more, '--', this.#address.url, ...specs]
    await this.#whileSmall(signal, within => this.ask(args, this.#limits.fetchMs, within))
  }

  /** git on what is here. */
  async local(args: readonly string[]): Promise<GitResult> {
    return await git({ directory: this.#cache.directory, args, timeoutMs: TIDY_MS })
  }

  /** Not gc: that takes objects that nothing names out of their packs, or away, such as the last accepted commit. */
  async tidy(): Promise<void> {
    if ((await this.#cache.packs()) > MANY_PACKS) await this.local(['repack', '-a', '-d', '-k', '-l', '-q'])
  }

  async #whileSmall(signal: AbortSignal | undefined, action: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const limit = this.#limits.repositoryBytes
    const over = new AbortController()
    const check = async () => {
      if ((await this.#cache.bytes()) > limit) {
        over.abort(new WritError('repository_too_large', `more than ${limit} bytes`))
      }
      if (await this.#cache.hasLooseObjects()) {
        over.abort(new WritError('repository_unsupported', 'there is no git at the other end'))
      }
    }
    const timer = setInterval(() => void check(), SIZE_CHECK_MS)
    let failure: unknown
    try {
      await action(signal ? AbortSignal.any([signal, over.signal]) : over.signal)
      await check()
    } catch (error) {
      failure = error
    } finally {
      clearInterval(timer)
    }
    if (over.signal.aborted) {
      await this.#cache.remove()
      throw over.signal.reason
    }
    if (failure !== undefined) {
      await this.#cache.removeUnfinished()
      throw failure
    }
  }

  #secrets(): string[] {
    const { credential, proxy } = this.#options
    // in both forms: a server may quote the header that it got
    const secrets = credential?.kind === 'password' ? [credential.password.reveal(), basicOf(credential)] : []
    return proxy ? [...secrets, proxy.reveal()] : secrets
  }
}
