import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import type { FilesOptions } from '../../src/server/watch/repository/files.ts'
import type { RepositoryOptions } from '../../src/server/watch/repository/options.ts'
import { openRepository } from '../../src/server/watch/repository/repository.ts'
import { checkQuorum } from '../../src/server/watch/signatures/quorum.ts'
import { GitRepository } from './git-repository.ts'

/** `path: content`; a pair is a mode and a content, for a submodule its commit. */
export type Contents = Readonly<Record<string, string | Buffer | readonly [mode: string, content: string | Buffer]>>

export interface Unpacked {
  readonly header: Header
  readonly content: Buffer
}

/** Repositories beside each other in a folder, in each other as submodules. */
export class Modules {
  readonly folder = mkdtempSync(join(tmpdir(), 'writ-modules-'))
  readonly #repositories = new Map<string, GitRepository>()
  #count = 0

  /** `NAME.git` in the folder. */
  repository(name: string): GitRepository {
    const known = this.#repositories.get(name)
    if (known) return known
    const made = new GitRepository(this.folder, `${name}.git`)
    this.#repositories.set(name, made)
    return made
  }

  tree(name: string, contents: Contents): string {
    const repository = this.repository(name)
    const index = join(this.folder, `index-${this.#count++}`)
    const ids = new Map<unknown, string>()
    const blobOf = (content: string | Buffer) => {
      const id = ids.get(content) ?? repository.blob(content)
      ids.set(content, id)
      return id
    }
    const lines = Object.entries(contents).map(([path, entry]) => {
      const [mode, content] = Array.isArray(entry) ? entry : ['100644', entry]
      return `${mode} ${mode === '160000' ? content : blobOf(content as string)}\t${path}\n`
    })
    repository.git(['update-index', '--index-info'], lines.join(''), { GIT_INDEX_FILE: index })
    return repository.git(['write-tree'], '', { GIT_INDEX_FILE: index })
  }

  /** A commit of these files, that `ref` names; null: none does. */
  commit(name: string, contents: Contents, ref: string | null = 'refs/heads/main', parents: string[] = []): string {
    const repository = this.repository(name)
    const commit = repository.commit(this.tree(name, contents), parents)
    if (ref !== null) repository.ref(ref, commit)
    return commit
  }

  /** What a watch would lay into a container, of the branch that it finds. Throws as that would. */
  async unpacked(
    options: Omit<RepositoryOptions, 'branch' | 'cacheDirectory'> & { readonly own?: string },
    files: FilesOptions = { submodules: 'fetch' },
    signal?: AbortSignal,
  ): Promise<Map<string, Unpacked>> {
    const { own = `own-${this.#count++}`, ...rest } = options
    const ownDirectory = join(this.folder, own)
    const repository = openRepository({
      branch: 'main',
      cacheDirectory: join(this.folder, 'cache'),
      ownDirectory,
      ...rest,
    })
    const entries = new Map<string, Unpacked>()
    try {
      const { object } = await repository.fetch(await repository.tip())
      const accepted = await checkQuorum(await repository.evidence(object), [], 0, new Date())
      const tar = extract()
      const found = await repository.filesOf(accepted, files, signal)
      const packing = pipeline(repository.tarOf(found), tar as unknown as Writable)
      packing.catch(() => {})
      for await (const entry of tar)
        entries.set(entry.header.name.replace(/\/$/, ''), { header: entry.header, content: await buffer(entry) })
      await packing
    } finally {
      repository.close()
    }
    return entries
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A `.gitmodules` that has these URLs by path. */
export function gitmodules(urls: Readonly<Record<string, string>>): string {
  const sections = Object.entries(urls).map(
    ([path, url]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`,
  )
  return sections.join('')
}
