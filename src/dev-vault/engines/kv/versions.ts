import { type Clock, rfc3339 } from '../../clock.ts'
import { refuse } from '../../errors.ts'
import type { JsonObject } from '../../text/json.ts'

/** How many versions are kept when nothing says otherwise. */
const DEFAULT_VERSIONS = 10

/** One version; its data is gone when it is destroyed. Times in milliseconds. */
interface Version {
  readonly createdAt: number
  data: JsonObject | null
  /** In the future: it will delete itself. */
  deletedAt: number | undefined
  destroyed: boolean
}

/** Limits of a key or of the whole mount; 0 is "not set". Seconds. */
export interface Limits {
  readonly maxVersions: number
  readonly casRequired: boolean
  readonly deleteVersionAfter: number
}

export interface VersionedKey {
  readonly createdAt: number
  readonly versions: Map<number, Version>
  updatedAt: number
  current: number
  oldest: number
  limits: Limits
}

export const NO_LIMITS: Limits = { maxVersions: 0, casRequired: false, deleteVersionAfter: 0 }

/** Keys with their history. */
export class VersionedStore {
  readonly #clock: Clock
  readonly #keys = new Map<string, VersionedKey>()
  limits = NO_LIMITS

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(path: string): VersionedKey | undefined {
    return this.#keys.get(path)
  }

  paths(): Iterable<string> {
    return this.#keys.keys()
  }

  delete(path: string): void {
    this.#keys.delete(path)
  }

  /** The key, made without versions when it is not there. */
  open(path: string): VersionedKey {
    let key = this.#keys.get(path)
    if (!key) {
      const now = this.#clock.now()
      key = { createdAt: now, updatedAt: now, versions: new Map(), current: 0, oldest: 0, limits: NO_LIMITS }
      this.#keys.set(path, key)
    }
    return key
  }

  setLimits(path: string, limits: Limits): void {
    const key = this.open(path)
    key.limits = limits
    key.updatedAt = this.#clock.now()
  }

  /** Adds a version; `cas` must name the one before it. Answers its number. @throws VaultError */
  write(path: string, data: JsonObject, cas?: number): number {
    const before = this.#keys.get(path)
    if (cas === undefined && (this.limits.casRequired || before?.limits.casRequired)) {
      throw refuse(400, 'check-and-set parameter required for this call')
    }
    if (cas !== undefined && cas !== (before?.current ?? 0)) {
      throw refuse(400, 'check-and-set parameter did not match the current version')
    }
    const key = this.open(path)
    const now = this.#clock.now()
    key.versions.set(++key.current, { createdAt: now, data, deletedAt: this.#selfDeletion(key), destroyed: false })
    key.updatedAt = now
    this.#prune(key)
    return key.current
  }

  remove(key: VersionedKey, versions: readonly number[]): void {
    for (const version of this.#pick(key, versions)) {
      if (!version.destroyed && !this.gone(version)) version.deletedAt = this.#clock.now()
    }
  }

  /** A key whose versions delete themselves gives each another such time. */
  undelete(key: VersionedKey, versions: readonly number[]): void {
    for (const version of this.#pick(key, versions)) {
      if (!version.destroyed) version.deletedAt = this.#selfDeletion(key)
    }
  }

  destroy(key: VersionedKey, versions: readonly number[]): void {
    for (const version of this.#pick(key, versions)) {
      version.destroyed = true
      version.data = null
    }
  }

  /** Deleted or destroyed. */
  gone(version: Version): boolean {
    return version.destroyed || (version.deletedAt !== undefined && version.deletedAt <= this.#clock.now())
  }

  #pick(key: VersionedKey, numbers: readonly number[]): Version[] {
    return numbers.flatMap(number => key.versions.get(number) ?? [])
  }

  #selfDeletion(key: VersionedKey): number | undefined {
    const seconds = [this.limits, key.limits].map(limits => limits.deleteVersionAfter).filter(wanted => wanted > 0)
    return seconds.length > 0 ? this.#clock.now() + Math.min(...seconds) * 1000 : undefined
  }

  #prune(key: VersionedKey): void {
    const keep = key.limits.maxVersions || this.limits.maxVersions || DEFAULT_VERSIONS
    const oldest = key.current - keep + 1
    for (const number of key.versions.keys()) {
      if (number >= oldest) continue
      key.versions.delete(number)
      key.oldest = oldest
    }
  }
}

export function showVersion(version: Version): JsonObject {
  return {
    created_time: rfc3339(version.createdAt),
    deletion_time: version.deletedAt === undefined ? '' : rfc3339(version.deletedAt),
    destroyed: version.destroyed,
  }
}
