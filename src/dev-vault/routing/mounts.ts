import type { Mount } from './backend.ts'

/** The mount table: which backend serves which paths. Mounts never nest, so at most one prefix of a path is a mount. */
export class MountTable {
  readonly #byPath = new Map<string, Mount>()

  add(mount: Mount): void {
    this.#byPath.set(mount.path, mount)
  }

  remove(mount: Mount): void {
    this.#byPath.delete(mount.path)
  }

  get(path: string): Mount | undefined {
    return this.#byPath.get(path)
  }

  move(mount: Mount, path: string): void {
    this.#byPath.delete(mount.path)
    mount.path = path
    this.#byPath.set(path, mount)
  }

  /** The mount that serves a path and what is left of the path; `secret` is served by `secret/` as well. */
  resolve(path: string): { mount: Mount; rest: string } | undefined {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const mount = this.#byPath.get(path.slice(0, slash + 1))
      if (mount) return { mount, rest: path.slice(slash + 1) }
    }
    const mount = this.#byPath.get(`${path}/`)
    return mount && { mount, rest: '' }
  }

  /** A mount that a new one at this path would overlap. */
  conflict(path: string): Mount | undefined {
    for (const mount of this.#byPath.values()) {
      if (mount.path.startsWith(path) || path.startsWith(mount.path)) return mount
    }
    return undefined
  }

  /** All mounts, sorted by path. */
  all(): Mount[] {
    return [...this.#byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  secrets(): Mount[] {
    return this.all().filter(mount => !mount.path.startsWith('auth/'))
  }

  auths(): Mount[] {
    return this.all().filter(mount => mount.path.startsWith('auth/'))
  }
}
