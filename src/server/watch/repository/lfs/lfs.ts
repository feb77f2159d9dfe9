import { join } from 'node:path'
import { WritError } from '../../../../protocol/errors.ts'
import type { Address } from '../address.ts'
import { folderOf } from '../cache.ts'
import type { Limits, RepositoryOptions } from '../options.ts'
import { sourceOf } from '../source.ts'
import { isSameServer } from '../submodules/submodule-address.ts'
import { askBatch, type Download } from './batch.ts'
import { endpointOf } from './endpoint.ts'
import { failed, LfsHttp, wrongStatus } from './http.ts'
import { LfsStore } from './lfs-store.ts'
import type { Pointer } from './pointer.ts'

/** At once. */
const DOWNLOADS = 4

/** Contents of LFS for the commits of one watch, of its own repository and of its submodules. No program of git-lfs is run. */
export class Lfs {
  readonly #own: Address
  readonly #options: RepositoryOptions
  readonly #limits: Limits
  readonly #stores = new Map<string, LfsStore>()

  constructor(own: Address, options: RepositoryOptions, limits: Limits) {
    this.#own = own
    this.#options = options
    this.#limits = limits
  }

  /**
   * Brings the contents that these pointers of one repository name, as far as they are not here. Throws `lfs_*`,
   * `repository_unreachable`, `repository_host_unknown`.
   */
  async bring(address: Address, pointers: readonly Pointer[], signal: AbortSignal): Promise<void> {
    const store = this.#store(address)
    const missing: Pointer[] = []
    for (const pointer of pointers) if (!(await store.has(pointer))) missing.push(pointer)
    if (missing.length > 0) await this.#fetch(address, missing, store, signal)
    await store.shrink(this.#limits.repositoryBytes, new Set(pointers.map(({ oid }) => oid)))
  }

  /** A content that was brought, checked while it is read; `repository_damaged`. */
  read(address: Address, pointer: Pointer): AsyncIterable<Buffer> {
    return this.#store(address).read(pointer)
  }

  async #fetch(address: Address, pointers: readonly Pointer[], store: LfsStore, signal: AbortSignal): Promise<void> {
    const http = new LfsHttp(this.#options)
    const stop = new AbortController()
    const within = AbortSignal.any([signal, stop.signal])
    try {
      const endpoint = endpointOf(address, this.#credentialFor(address))
      const downloads = await askBatch(http, endpoint, pointers, within)
      const left = downloads.values()
      const work = async () => {
        for (const download of left) await fetchInto(store, http, download, within)
      }
      const working = Array.from({ length: DOWNLOADS }, work)
      // one that fails ends the others
      for (const one of working) one.catch(() => stop.abort())
      const [failure] = (await Promise.allSettled(working)).filter(one => one.status === 'rejected')
      if (failure) throw failure.reason
    } finally {
      await http.close()
    }
  }

  #credentialFor(address: Address): RepositoryOptions['credential'] {
    return isSameServer(address, this.#own) ? this.#options.credential : undefined
  }

  #store(address: Address): LfsStore {
    const known = this.#stores.get(address.url)
    if (known) return known
    const { ownDirectory } = this.#options
    if (ownDirectory === undefined) throw new WritError('lfs_unsupported', 'there is no place for its files')
    // what a credential has opened is not there for whoever comes without it
    const source = JSON.stringify([sourceOf(address.url, this.#options), this.#credentialFor(address) !== undefined])
    const store = new LfsStore(join(ownDirectory, folderOf(source, 'lfs')))
    this.#stores.set(address.url, store)
    return store
  }
}

async function fetchInto(
  store: LfsStore,
  http: LfsHttp,
  { pointer, href, headers }: Download,
  signal: AbortSignal,
): Promise<void> {
  const { status, body } = await http.get(href, { ...headers, 'accept-encoding': 'identity' }, signal)
  if (status !== 200) {
    body.on('error', () => undefined).destroy()
    throw wrongStatus(status, pointer.oid)
  }
  try {
    await store.put(pointer, body)
  } catch (error) {
    throw failed(error, signal)
  }
}
