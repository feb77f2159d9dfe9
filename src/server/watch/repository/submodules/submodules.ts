import { WritError } from '../../../../protocol/errors.ts'
import type { Address } from '../address.ts'
import type { ObjectId } from '../object-id.ts'
import { parseCommit, printable } from '../objects.ts'
import type { Limits, RepositoryOptions } from '../options.ts'
import { sourceOf } from '../source.ts'
import { type Origin, type PathEntry, walkTree } from '../tree.ts'
import { type Declared, declaredIn } from './declared.ts'
import { isSameServer, submoduleAddress } from './submodule-address.ts'
import { SubmoduleCopy } from './submodule-copy.ts'

/** A submodule, as a signed tree and its `.gitmodules` name it. */
export interface Submodule {
  readonly path: string
  /** Resolved and checked. */
  readonly url: string
  readonly id: ObjectId
}

/** By one look at a commit. */
type Brought = Map<SubmoduleCopy, ReadonlySet<ObjectId>>

/** A commit, and where it is. */
interface Place {
  readonly origin: Origin
  readonly commit: ObjectId
  /** Empty, or the path of a submodule and a slash. */
  readonly prefix: string
  /** Addresses of all that it is in, itself the last. */
  readonly chain: readonly string[]
}

/** The submodules of commits of one watch, which are asked for only where a signed tree names them. */
export class Submodules {
  readonly #address: Address
  readonly #options: RepositoryOptions
  readonly #limits: Limits
  readonly #copies = new Map<string, SubmoduleCopy>()

  constructor(address: Address, options: RepositoryOptions, limits: Limits) {
    this.#address = address
    this.#options = options
    this.#limits = limits
  }

  /**
   * Adds the entries of a commit and of all its submodules, which are fetched. Throws `submodule_*`, what a fetch throws, and what
   * `walkTree` throws.
   */
  async walk(origin: Origin, commit: ObjectId, entries: PathEntry[], signal: AbortSignal): Promise<void> {
    const count = { submodules: 0 }
    const brought: Brought = new Map()
    const visit = async ({ origin, commit, prefix, chain }: Place): Promise<void> => {
      const { reader } = origin
      const { tree } = parseCommit(await reader.readAs('commit', commit))
      let declared: Declared | undefined
      const submodule = async (entry: PathEntry) => {
        const at = printable(entry.path)
        count.submodules += 1
        if (count.submodules > this.#limits.submodules)
          throw new WritError('submodule_invalid', `${at}: more than ${this.#limits.submodules} of them`)
        if (chain.length > this.#limits.submoduleDepth)
          throw new WritError('submodule_invalid', `${at}: more than ${this.#limits.submoduleDepth} in each other`)
        declared ??= await declaredIn(reader, tree)
        const below = this.#addressOf(declared, entry.path.slice(prefix.length), entry.path, origin.address)
        if (chain.includes(below.url)) throw new WritError('submodule_invalid', `${at}: it is in itself`)
        const copy = this.#copy(below)
        await named(entry.path, () => this.#bring(copy, entry.id, brought, signal))
        const place = { origin: { reader: copy.reader, address: below }, commit: entry.id, prefix: `${entry.path}/` }
        await named(entry.path, () => visit({ ...place, chain: [...chain, below.url] }), copy)
      }
      await walkTree({ origin, root: tree, prefix, entries, limits: this.#limits, submodule })
    }
    await visit({ origin, commit, prefix: '', chain: [origin.address.url] })
  }

  /** Those of the commit itself; nothing is fetched. What is in them is not known before. Throws `submodule_*`. */
  async list(origin: Origin, commit: ObjectId): Promise<Submodule[]> {
    const { reader } = origin
    const { tree } = parseCommit(await reader.readAs('commit', commit))
    const found: Submodule[] = []
    let declared: Declared | undefined
    const submodule = async ({ path, id }: PathEntry) => {
      if (found.length === this.#limits.submodules)
        throw new WritError('submodule_invalid', `more than ${this.#limits.submodules} of them`)
      declared ??= await declaredIn(reader, tree)
      found.push({ path, id, url: this.#addressOf(declared, path, path, this.#address).url })
    }
    await walkTree({ origin, root: tree, prefix: '', entries: [], limits: this.#limits, submodule })
    return found
  }

  close(): void {
    for (const copy of this.#copies.values()) copy.reader.close()
  }

  #addressOf(declared: Declared, path: string, whole: string, base: Address): Address {
    const url = declared.get(path)
    if (url === undefined) throw new WritError('submodule_undeclared', printable(whole))
    const { protocols, submoduleHosts: hosts = [] } = this.#options
    try {
      return submoduleAddress(url, base, { own: this.#address, hosts, protocols })
    } catch (error) {
      throw error instanceof WritError ? withPath(whole, error) : error
    }
  }

  #copy(address: Address): SubmoduleCopy {
    const known = this.#copies.get(address.url)
    if (known) return known
    const { ownDirectory, ...rest } = this.#options
    if (ownDirectory === undefined) throw new WritError('tree_submodules', 'there is no place for their files')
    // whoever else can be named by a commit gets nothing that belongs to the watch
    const credential = isSameServer(address, this.#address) ? rest.credential : undefined
    const options = { ...rest, address: address.url, credential }
    // what it has opened once is not there for whoever comes without it
    const source = JSON.stringify([sourceOf(address.url, options), credential !== undefined])
    const copy = new SubmoduleCopy(address, ownDirectory, source, options, this.#limits)
    this.#copies.set(address.url, copy)
    return copy
  }

  /** All together are to be no larger than one repository may be. */
  async #bring(copy: SubmoduleCopy, id: ObjectId, brought: Brought, signal: AbortSignal): Promise<void> {
    if (brought.get(copy)?.has(id)) return
    await copy.bring(id, signal)
    brought.set(copy, new Set([...(brought.get(copy) ?? []), id]))
    let bytes = 0
    for (const one of brought.keys()) bytes += await one.bytes()
    if (bytes > this.#limits.repositoryBytes)
      throw new WritError(
        'repository_too_large',
        `all submodules together, more than ${this.#limits.repositoryBytes} bytes`,
      )
  }
}

/** What goes wrong says in which of them; a copy that is not what it has to be is not kept. */
async function named<T>(path: string, action: () => Promise<T>, copy?: SubmoduleCopy): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    if (error.code === 'repository_damaged') await copy?.forget()
    throw withPath(path, error)
  }
}

/** Of the innermost that it is about. */
function withPath(path: string, error: WritError): WritError {
  const at = printable(path)
  if (error.detail?.startsWith(at)) return error
  return new WritError(error.code, error.detail ? `${at}: ${error.detail}` : at, { cause: error })
}
