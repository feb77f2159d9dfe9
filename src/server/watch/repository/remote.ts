import { createHash } from 'node:crypto'
import { WritError } from '../../../protocol/errors.ts'
import type { Address } from './address.ts'
import type { Cache } from './cache.ts'
import { Conversation } from './conversation.ts'
import { git } from './git.ts'
import { isObjectId, type ObjectId } from './object-id.ts'
import type { Limits, RepositoryOptions } from './options.ts'
import { SIGNATURES_REF } from './ref-name.ts'

/** What the server shows at the moment. Two equal tips mean: nothing to do. */
export interface Tip {
  /** What the branch names: a commit, or for a watched annotated tag the tag. */
  readonly object: ObjectId
  /** What `refs/tags/latest-signature` names; undefined when it is not there. */
  readonly signatures: ObjectId | undefined
}

/** A look needs no copy, and takes no setting from one; without any directory git would look for one. */
const NOWHERE = '/nonexistent'

/** The conversation with the server: which ids, and bringing the objects into the cache. */
export class Remote {
  readonly #address: Address
  readonly #ref: string
  readonly #limits: Limits
  readonly #cache: Cache
  readonly #conversation: Conversation
  /** Several watches may share a cache, each under names of its own. */
  readonly #slot: string

  constructor(address: Address, ref: string, options: RepositoryOptions, limits: Limits, cache: Cache) {
    this.#address = address
    this.#ref = ref
    this.#limits = limits
    this.#cache = cache
    this.#conversation = new Conversation(address, options, limits, cache)
    this.#slot = `refs/writ/${createHash('sha256').update(ref).digest('hex').slice(0, 16)}`
  }

  async tip(signal?: AbortSignal): Promise<Tip> {
    const args = ['ls-remote', '--quiet', '--', this.#address.url, this.#ref, SIGNATURES_REF]
    const { stdout } = await this.#conversation.ask(args, this.#limits.lookMs, signal, NOWHERE)
    return this.#tipIn(stdout, this.#ref, SIGNATURES_REF)
  }

  async fetch(tip: Tip, signal?: AbortSignal): Promise<Tip> {
    return await this.#cache.exclusively(async () => {
      await this.#cache.ensure()
      if (await this.#has(tip)) return tip
      const hadContent = (await this.#cache.bytes()) > 0
      try {
        return await this.#fetch(tip, signal)
      } catch (error) {
        // Perhaps it is our copy that is damaged, by a full disk or a power cut. If not, the second try says the same.
        if (!(error instanceof WritError && error.code === 'repository_damaged' && hadContent)) throw error
        await this.#cache.remove()
        await this.#cache.ensure()
        return await this.#fetch(tip, signal)
      }
    })
  }

  /** What the last fetch brought, by whichever process. */
  async fetched(): Promise<Tip> {
    await this.#cache.ensure()
    const args = ['for-each-ref', '--format=%(objectname)%09%(refname)', '--', `${this.#slot}/`]
    const { stdout } = await git({ directory: this.#cache.directory, args, timeoutMs: this.#limits.lookMs })
    return this.#tipIn(stdout, `${this.#slot}/tip`, `${this.#slot}/signatures`)
  }

  /** The copy is at what the server has just shown: the node that starts a commit asks for it right after it was taken up. */
  async #has({ object, signatures }: Tip): Promise<boolean> {
    const before = await this.fetched().catch(() => undefined)
    if (before?.object !== object || before.signatures !== signatures || (await this.#cache.isShallow())) return false
    return (await this.#conversation.local(['cat-file', '-e', object])).code === 0
  }

  async #fetch(tip: Tip, signal: AbortSignal | undefined): Promise<Tip> {
    const specs = [`+${this.#ref}:${this.#slot}/tip`]
    if (tip.signatures !== undefined) specs.push(`+${SIGNATURES_REF}:${this.#slot}/signatures`)
    await this.#conversation.fetch(specs, signal)
    if (await this.#cache.isShallow()) {
      await this.#cache.remove()
      throw new WritError('repository_unsupported', 'it is shallow')
    }
    if (!(await this.#came())) throw new WritError('repository_unsupported', 'its history is cut off')
    if (tip.signatures === undefined) await this.#conversation.local(['update-ref', '-d', `${this.#slot}/signatures`])
    await this.#conversation.tidy()
    const fetched = await this.fetched()
    // A copy whose packs are damaged may still have its refs, and git then sees nothing to fetch.
    const { code } = await this.#conversation.local(['cat-file', '-e', fetched.object])
    if (code !== 0) throw new WritError('repository_damaged', 'the tip is missing')
    return fetched
  }

  /** git fetches nothing from a shallow repository, and calls that a success. */
  async #came(): Promise<boolean> {
    return (await this.#conversation.local(['rev-parse', '--verify', '--quiet', `${this.#slot}/tip`])).code === 0
  }

  /** The names exactly: ls-remote also lists what only ends in them, such as `refs/heads/refs/heads/main`. */
  #tipIn(listing: Buffer, ref: string, signaturesRef: string): Tip {
    const ids = new Map<string, ObjectId>()
    for (const line of listing.toString('utf8').split('\n')) {
      const [id = '', name = ''] = line.split('\t')
      if (/^[0-9a-f]{64}$/.test(id)) throw new WritError('repository_unsupported', 'its ids are SHA-256')
      if (line !== '' && !isObjectId(id))
        throw new WritError('repository_unreachable', 'a listing of refs that is none')
      ids.set(name, id)
    }
    const object = ids.get(ref)
    if (object === undefined) throw new WritError('repository_branch_missing')
    return { object, signatures: ids.get(signaturesRef) }
  }
}
