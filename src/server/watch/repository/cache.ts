import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { WritError } from '../../../protocol/errors.ts'
import { git } from './git.ts'

/** Who is at work in a folder: fetches of one address wait for each other. */
const busy = new Map<string, Promise<unknown>>()

/** The bare repository on this machine that holds what was fetched from one source. */
export class Cache {
  readonly directory: string
  /** Called when it is removed: whoever has a git at work in it would go on with the old one. */
  onRemoved: () => void = () => undefined

  constructor(parent: string, source: string) {
    this.directory = join(parent, folderOf(source))
  }

  /** Makes it if it is not there; two at once do no harm. */
  async ensure(): Promise<void> {
    if (await exists(join(this.directory, 'HEAD'))) return
    const making = `${this.directory}.${randomBytes(6).toString('hex')}`
    await mkdir(making, { recursive: true, mode: 0o700 })
    const args = ['init', '--quiet', '--bare', '--template=', '--object-format=sha1', '--', making]
    const { code, stderr } = await git({ directory: undefined, args, timeoutMs: 20_000 })
    if (code !== 0) throw new WritError('repository_unreachable', 'the cache cannot be made', { cause: stderr })
    try {
      await rename(making, this.directory)
    } catch {
      await rm(making, { recursive: true, force: true })
    }
  }

  async exclusively<T>(action: () => Promise<T>): Promise<T> {
    const before = busy.get(this.directory)
    const turn = (before ?? Promise.resolve()).then(action, action)
    const settled = turn.catch(() => undefined)
    busy.set(this.directory, settled)
    try {
      return await turn
    } finally {
      if (busy.get(this.directory) === settled) busy.delete(this.directory)
    }
  }

  /** Says that it is in use. */
  async touch(): Promise<void> {
    const now = new Date()
    await utimes(this.directory, now, now)
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    this.onRemoved()
  }

  /** Of all packs, also those that are on their way. */
  async bytes(): Promise<number> {
    let total = 0
    for (const name of await this.#packs()) {
      total += (await stat(join(this.#packDirectory, name)).catch(() => undefined))?.size ?? 0
    }
    return total
  }

  /**
   * Files of single objects: they only come from a web server without git behind it, for what git sends stays a pack.
   * git would ask such a server for one object after the other, without a check of its own and without a limit of ours.
   */
  async hasLooseObjects(): Promise<boolean> {
    const names = await readdir(join(this.directory, 'objects')).catch(() => [])
    return names.some(name => /^[0-9a-f]{2}$/.test(name))
  }

  async packs(): Promise<number> {
    return (await this.#packs()).filter(name => name.endsWith('.pack')).length
  }

  /** What a killed git left behind. */
  async removeUnfinished(): Promise<void> {
    for (const name of await this.#packs()) {
      if (name.startsWith('tmp_')) await rm(join(this.#packDirectory, name), { force: true })
    }
  }

  /** A history that is cut off somewhere could hide where it comes from. */
  async isShallow(): Promise<boolean> {
    return await exists(join(this.directory, 'shallow'))
  }

  get #packDirectory(): string {
    return join(this.directory, 'objects', 'pack')
  }

  async #packs(): Promise<string[]> {
    return await readdir(this.#packDirectory).catch(() => [])
  }
}

/** What is kept of a source, by a name that says nothing of it. */
export function folderOf(source: string, kind: 'git' | 'lfs' = 'git'): string {
  return `${createHash('sha256').update(source).digest('hex').slice(0, 32)}.${kind}`
}

/** For as long as one may be in the making. */
const MAKING_MS = 10 * 60_000

/**
 * Removes copies of which `sourcesInUse` does not speak, but for those at which somebody is at work; answers how many. It is asked
 * after the folder was read: a watch that was made meanwhile keeps its copy.
 */
export async function removeUnused(parent: string, sourcesInUse: () => Promise<readonly string[]>): Promise<number> {
  const names = await readdir(parent).catch(() => [])
  if (names.length === 0) return 0
  const wanted = new Set((await sourcesInUse()).map(source => folderOf(source)))
  let removed = 0
  for (const name of names) {
    const directory = join(parent, name)
    const making = /^[0-9a-f]{32}\.git\.[0-9a-f]{12}$/.test(name)
    if (!making && !/^[0-9a-f]{32}\.git$/.test(name)) continue
    if (wanted.has(name) || busy.has(directory)) continue
    if (making && Date.now() - ((await stat(directory).catch(() => undefined))?.mtimeMs ?? 0) < MAKING_MS) continue
    await rm(directory, { recursive: true, force: true })
    removed += 1
  }
  return removed
}

/** Removes copies that were not used for so long; answers how many. */
export async function removeIdle(parent: string, idleMs: number): Promise<number> {
  let removed = 0
  for (const name of await readdir(parent).catch(() => [])) {
    const directory = join(parent, name)
    if (!/^[0-9a-f]{32}\.(lfs|git(\.[0-9a-f]{12})?)$/.test(name) || busy.has(directory)) continue
    if (Date.now() - ((await stat(directory).catch(() => undefined))?.mtimeMs ?? Date.now()) < idleMs) continue
    await rm(directory, { recursive: true, force: true })
    removed += 1
  }
  return removed
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
