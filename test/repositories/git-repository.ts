import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A real repository in a temporary folder, driven with the real git, far from anybody's configuration. */
export class GitRepository {
  readonly path: string
  #count = 0

  constructor(parent = mkdtempSync(join(tmpdir(), 'writ-repository-')), name = 'remote.git') {
    this.path = join(parent, name)
    execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', this.path], { env: ENVIRONMENT })
  }

  git(
    args: readonly string[],
    input?: string | Uint8Array,
    environment: Readonly<Record<string, string>> = {},
  ): string {
    return this.gitBytes(args, input, environment).toString('utf8').trim()
  }

  gitBytes(
    args: readonly string[],
    input: string | Uint8Array = '',
    environment: Readonly<Record<string, string>> = {},
  ) {
    const env = { ...ENVIRONMENT, ...environment }
    return execFileSync('git', [`--git-dir=${this.path}`, ...args], { input, env, stdio: ['pipe', 'pipe', 'pipe'] })
  }

  blob(content: string | Uint8Array): string {
    return this.git(['hash-object', '-w', '--stdin'], content)
  }

  /** Any bytes as an object of that type, however wrong. */
  raw(type: string, bytes: string | Uint8Array): string {
    return this.git(['hash-object', '-w', '-t', type, '--literally', '--stdin'], bytes)
  }

  /** A tree of files (`path: content`); deeper paths make folders. */
  tree(files: Readonly<Record<string, string>>): string {
    const index = join(this.path, `index-${this.#count++}`)
    const lines = Object.entries(files).map(([path, content]) => `100644 ${this.blob(content)}\t${path}\n`)
    this.git(['update-index', '--index-info'], lines.join(''), { GIT_INDEX_FILE: index })
    return this.git(['write-tree'], '', { GIT_INDEX_FILE: index })
  }

  /** A tree from `[mode, id, name]`, in git's order of names. */
  mktree(entries: readonly (readonly [string, string, string])[]): string {
    const types: Readonly<Record<string, string>> = { '040000': 'tree', '160000': 'commit' }
    const lines = entries.map(([mode, id, name]) => `${mode} ${types[mode] ?? 'blob'} ${id}\t${name}\0`)
    return this.git(['mktree', '-z', '--missing'], lines.join(''))
  }

  /** An unsigned commit; each has another date, so no two are the same. */
  commit(tree: string, parents: readonly string[] = [], message = `commit ${this.#count}`): string {
    return this.git(['commit-tree', tree, ...parents.flatMap(parent => ['-p', parent]), '-m', message], '', this.when())
  }

  when(): Record<string, string> {
    const date = `${1_760_000_000 + this.#count++} +0000`
    return { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
  }

  ref(name: string, id: string): void {
    this.git(['update-ref', name, id])
  }

  /** The bytes of an object. */
  read(type: string, id: string): Buffer {
    return this.gitBytes(['cat-file', type, id])
  }

  writeFile(name: string, content: string): void {
    writeFileSync(join(this.path, name), content)
  }
}

const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ann',
  GIT_AUTHOR_EMAIL: 'ann@example.com',
  GIT_COMMITTER_NAME: 'Ann',
  GIT_COMMITTER_EMAIL: 'ann@example.com',
}
