import { WritError } from '../../../../protocol/errors.ts'
import type { Address } from '../address.ts'
import { Cache } from '../cache.ts'
import { Conversation } from '../conversation.ts'
import { isObjectId, type ObjectId } from '../object-id.ts'
import { ObjectReader } from '../object-reader.ts'
import type { Limits, RepositoryOptions } from '../options.ts'

/** A server's words, in its own name or that of git, for a commit that it does not have or that no branch names. */
const NOT_GIVEN = /not our ref|unadvertised object|want \S+ not valid|not a valid want/i

/**
 * A repository that submodules are in, of one watch: of each commit that was asked for all files, without its history. The commit
 * that was signed names them, so where it comes from proves nothing more.
 */
export class SubmoduleCopy {
  readonly reader: ObjectReader
  readonly #cache: Cache
  readonly #conversation: Conversation
  readonly #address: Address
  readonly #limits: Limits

  constructor(address: Address, directory: string, source: string, options: RepositoryOptions, limits: Limits) {
    this.#address = address
    this.#limits = limits
    this.#cache = new Cache(directory, source)
    this.#conversation = new Conversation(address, options, limits, this.#cache)
    this.reader = new ObjectReader(this.#cache.directory, limits.objectBytes)
    this.#cache.onRemoved = () => this.reader.close()
  }

  /** On disk, in bytes. */
  async bytes(): Promise<number> {
    return await this.#cache.bytes()
  }

  /**
   * Brings a commit here, if it is not yet. Throws `submodule_commit_missing` and what a fetch throws. What was fetched before makes no
   * difference: a copy that is damaged, or too large with the commits of earlier times, is made anew.
   */
  async bring(id: ObjectId, signal: AbortSignal | undefined): Promise<void> {
    await this.#cache.exclusively(async () => {
      await this.#cache.ensure()
      await this.#cache.touch()
      if (await this.#has(id)) return
      const hadContent = (await this.#cache.bytes()) > 0
      try {
        await this.#fetch(id, signal)
      } catch (error) {
        const mayBeOurs = isCode(error, 'repository_damaged', 'repository_too_large')
        if (!mayBeOurs || !hadContent) throw error
        await this.#cache.remove()
        await this.#cache.ensure()
        await this.#fetch(id, signal)
      }
    })
  }

  /** After something in it was not what it has to be: the next attempt begins with nothing. */
  async forget(): Promise<void> {
    await this.#cache.exclusively(() => this.#cache.remove())
  }

  /** A name is given by the fetch itself, and by that only to what came with all that it needs. */
  async #has(id: ObjectId): Promise<boolean> {
    const { code, stdout } = await this.#conversation.local(['rev-parse', '--verify', '--quiet', nameOf(id)])
    if (code !== 0 || stdout.toString('latin1').trim() !== id) return false
    return (await this.#conversation.local(['cat-file', '-e', id])).code === 0
  }

  async #fetch(id: ObjectId, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#conversation.fetch([`+${id}:${nameOf(id)}`], signal, ['--depth=1'])
    } catch (error) {
      const notGiven = error instanceof WritError && NOT_GIVEN.test(error.detail ?? '')
      if (!notGiven) throw error
      await this.#search(id, signal)
    }
    if (!(await this.#has(id))) throw new WritError('submodule_commit_missing', id)
    await this.#conversation.tidy()
  }

  /** For servers that give nothing but what a branch or tag names: all of those, with their histories. */
  async #search(id: ObjectId, signal: AbortSignal | undefined): Promise<void> {
    // a history that begins in the middle would never be completed
    if (await this.#cache.isShallow()) await this.#cache.remove()
    await this.#cache.ensure()
    // too many of them, and this listing is too long: then nothing is fetched
    const listed = await this.#conversation.ask(
      ['ls-remote', '--quiet', '--heads', '--tags', '--', this.#address.url],
      this.#limits.lookMs,
      signal,
    )
    const ids = listed.stdout.toString('latin1').split('\n').filter(Boolean)
    if (!ids.every(line => isObjectId(line.split('\t')[0] ?? '')))
      throw new WritError('repository_unreachable', 'a listing of refs that is none')
    if (ids.length > 0) {
      const specs = ['heads', 'tags'].map(kind => `+refs/${kind}/*:refs/writ/${kind}/*`)
      await this.#conversation.fetch(specs, signal, ['--prune'])
    }
    if ((await this.#conversation.local(['cat-file', '-e', `${id}^{commit}`])).code === 0)
      await this.#conversation.local(['update-ref', nameOf(id), id])
  }
}

function nameOf(id: ObjectId): string {
  return `refs/writ/commits/${id}`
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof WritError && codes.includes(error.code)
}
