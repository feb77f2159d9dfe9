import { execFileSync } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Limits } from '../../src/server/watch/repository/options.ts'
import type { GitRepository } from './git-repository.ts'
import { HOSTILE_SUBMODULE_ADDRESSES } from './hostile-submodule-addresses.ts'
import { type Contents, gitmodules, type Modules } from './modules.ts'
import type { Code, Servers, SubmoduleCase, SubmoduleWatch } from './submodule-case.ts'

/** A submodule at `sub`, of `lib.git` beside. */
function holding(
  name: string,
  code: Code,
  make: (modules: Modules) => string,
  more: SubmoduleWatch = {},
): SubmoduleCase {
  return {
    name: `submodule: ${name}`,
    code,
    make(modules) {
      modules.commit('main', { '.gitmodules': gitmodules({ sub: '../lib.git' }), sub: ['160000', make(modules)] })
      return more
    },
  }
}

function holdingFiles(name: string, code: Code, contents: Contents): SubmoduleCase {
  return holding(name, code, modules => modules.commit('lib', contents))
}

const answering = (
  name: string,
  code: Code,
  answer: (response: ServerResponse, servers: Servers) => void,
  limits?: Partial<Limits>,
): SubmoduleCase => ({
  name: `the server of a submodule: ${name}`,
  code,
  make(modules, servers) {
    modules.commit('main', {
      '.gitmodules': gitmodules({ sub: '../lib.git' }),
      sub: ['160000', modules.commit('lib', { a: '1' })],
    })
    return {
      ...(limits ? { limits } : {}),
      before(request, response) {
        if (!request.url?.startsWith('/lib.git')) return false
        answer(response, servers)
        return true
      },
    }
  },
})

/** The loose file of an object is replaced by that of another one. */
function swap(repository: GitRepository, id: string, other: string): void {
  const path = (object: string) => join(repository.path, 'objects', object.slice(0, 2), object.slice(2))
  execFileSync('cp', ['-f', path(other), path(id)])
}

const HOST = 'submodule_host_refused'
const INVALID = 'submodule_invalid'
/** Refused by git already, when it checks what it receives. */
const INVALID_FOR_GIT = [INVALID, 'repository_damaged'] as const
const BAD_OBJECT = ['repository_damaged', 'repository_unreachable', 'submodule_commit_missing'] as const

export const HOSTILE_SUBMODULES: readonly SubmoduleCase[] = [
  ...HOSTILE_SUBMODULE_ADDRESSES,
  {
    name: 'submodule: without .gitmodules',
    code: 'submodule_undeclared',
    make(modules) {
      modules.commit('main', { sub: ['160000', modules.commit('lib', { a: '1' })] })
      return undefined
    },
  },
  {
    name: 'submodule: .gitmodules is a link',
    code: INVALID_FOR_GIT,
    make(modules) {
      const main = modules.repository('main')
      const tree = main.mktree([
        ['120000', main.blob('real'), '.gitmodules'],
        ['100644', main.blob(gitmodules({ sub: '../lib.git' })), 'real'],
        ['160000', modules.commit('lib', { a: '1' }), 'sub'],
      ])
      main.ref('refs/heads/main', main.commit(tree))
      return undefined
    },
  },
  {
    name: 'submodule: .gitmodules is a folder',
    code: INVALID_FOR_GIT,
    make(modules) {
      const sub = modules.commit('lib', { a: '1' })
      modules.commit('main', { '.gitmodules/x': gitmodules({ sub: '../lib.git' }), sub: ['160000', sub] })
      return undefined
    },
  },
  {
    name: 'submodule: .gitmodules in another folder',
    code: 'submodule_undeclared',
    make(modules) {
      const sub = modules.commit('lib', { a: '1' })
      modules.commit('main', { 'x/.gitmodules': gitmodules({ sub: '../../lib.git' }), 'x/sub': ['160000', sub] })
      return undefined
    },
  },
  {
    name: 'submodule: in itself',
    code: INVALID,
    make(modules) {
      const first = modules.commit('main', { a: '1' })
      modules.commit('main', { '.gitmodules': gitmodules({ sub: '../main.git' }), sub: ['160000', first] })
      return undefined
    },
  },
  {
    name: 'submodule: two in each other',
    code: INVALID,
    make(modules) {
      const first = modules.commit('lib', { a: '1' }, 'refs/heads/first')
      const other = modules.commit('other', {
        '.gitmodules': gitmodules({ sub: '../lib.git' }),
        sub: ['160000', first],
      })
      const lib = modules.commit('lib', { '.gitmodules': gitmodules({ sub: '../other.git' }), sub: ['160000', other] })
      modules.commit('main', { '.gitmodules': gitmodules({ sub: '../lib.git' }), sub: ['160000', lib] })
      return undefined
    },
  },
  {
    name: 'submodule: five in each other, where four may be',
    code: INVALID,
    make(modules) {
      let inner = modules.commit('lib-0', { a: '1' })
      for (let at = 1; at < 5; at++)
        inner = modules.commit(`lib-${at}`, {
          '.gitmodules': gitmodules({ sub: `../lib-${at - 1}.git` }),
          sub: ['160000', inner],
        })
      modules.commit('main', { '.gitmodules': gitmodules({ sub: '../lib-4.git' }), sub: ['160000', inner] })
      return { limits: { submoduleDepth: 4 } }
    },
  },
  {
    name: 'submodule: one in 21 places, where 20 may be',
    code: INVALID,
    make(modules) {
      const sub = modules.commit('lib', { a: '1' })
      const paths = Array.from({ length: 21 }, (_, at) => `sub-${at}`)
      modules.commit('main', {
        '.gitmodules': gitmodules(Object.fromEntries(paths.map(path => [path, '../lib.git']))),
        ...Object.fromEntries(paths.map(path => [path, ['160000', sub] as const])),
      })
      return { limits: { submodules: 20 } }
    },
  },
  {
    name: 'submodule: each three times in the next, which is 39, where 20 may be',
    code: INVALID,
    make(modules) {
      let inner = modules.commit('lib-0', { a: '1' })
      for (let at = 1; at <= 3; at++) {
        const paths = ['a', 'b', 'c']
        inner = modules.commit(at === 3 ? 'main' : `lib-${at}`, {
          '.gitmodules': gitmodules(Object.fromEntries(paths.map(path => [path, `../lib-${at - 1}.git`]))),
          ...Object.fromEntries(paths.map(path => [path, ['160000', inner] as const])),
        })
      }
      return { limits: { submodules: 20 } }
    },
  },
  {
    name: 'submodule: too many files in all',
    code: 'tree_too_large',
    make(modules) {
      const sub = modules.commit('lib', Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`f${at}`, 'x'])))
      modules.commit('main', {
        '.gitmodules': gitmodules({ one: '../lib.git', two: '../lib.git' }),
        one: ['160000', sub],
        two: ['160000', sub],
      })
      return { limits: { treeEntries: 500 } }
    },
  },
  {
    name: 'submodule: too many bytes in all',
    code: 'tree_too_large',
    make(modules) {
      const sub = modules.commit('lib', { big: 'x'.repeat(600_000) })
      modules.commit('main', {
        '.gitmodules': gitmodules({ one: '../lib.git', two: '../lib.git' }),
        one: ['160000', sub],
        two: ['160000', sub],
      })
      return { limits: { treeBytes: 1_000_000 } }
    },
  },
  {
    name: 'submodule: copies too large in all',
    code: 'repository_too_large',
    make(modules) {
      const noise = () => Array.from({ length: 40_000 }, () => Math.random().toString(36).slice(2)).join('')
      const subs = ['one', 'two'].map(name => [name, modules.commit(name, { big: noise() })] as const)
      modules.commit('main', {
        '.gitmodules': gitmodules({ one: '../one.git', two: '../two.git' }),
        ...Object.fromEntries(subs.map(([name, id]) => [name, ['160000', id] as const])),
      })
      return { limits: { repositoryBytes: 400_000 } }
    },
  },
  holdingFiles('a link out of it', 'tree_unsafe', { evil: ['120000', '../a.txt'] }),
  holdingFiles('a link out of everything', 'tree_unsafe', { evil: ['120000', '../../etc/passwd'] }),
  holdingFiles('an absolute link', 'tree_unsafe', { evil: ['120000', '/etc/passwd'] }),
  holdingFiles('a link out of it by another one', 'tree_unsafe', {
    'x/y/z': '1',
    up: ['120000', 'x/..'],
    evil: ['120000', 'up/../..'],
  }),
  {
    name: 'submodule: a link of the commit that leads outside by one of the submodule',
    code: 'tree_unsafe',
    make(modules) {
      const sub = modules.commit('lib', { 'x/y': '1', here: ['120000', '.'] })
      modules.commit('main', {
        '.gitmodules': gitmodules({ sub: '../lib.git' }),
        sub: ['160000', sub],
        evil: ['120000', 'sub/here/../..'],
      })
      return undefined
    },
  },
  holding('a folder .git in it', ['tree_unsafe', 'repository_damaged'], modules => {
    const lib = modules.repository('lib')
    const raw = (name: string, mode: string, id: string) =>
      lib.raw('tree', Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]))
    const commit = lib.commit(raw('.git', '40000', lib.tree({ config: '[core]\n\tfsmonitor = touch hit\n' })))
    lib.ref('refs/heads/main', commit)
    return commit
  }),
  holding('a name that is not UTF-8', 'tree_unsafe', modules => {
    const lib = modules.repository('lib')
    const tree = lib.raw(
      'tree',
      Buffer.concat([Buffer.from('100644 \xff\0', 'latin1'), Buffer.from(lib.blob('x'), 'hex')]),
    )
    const commit = lib.commit(tree)
    lib.ref('refs/heads/main', commit)
    return commit
  }),
  holding('a commit that its server does not have', 'submodule_commit_missing', modules => {
    modules.commit('lib', { a: '1' })
    return 'a'.repeat(40)
  }),
  holding('a commit of another repository', 'submodule_commit_missing', modules => {
    modules.commit('lib', { a: '1' })
    return modules.commit('other', { a: '2' })
  }),
  holding('of an empty repository', 'submodule_commit_missing', modules => {
    modules.repository('lib')
    return 'a'.repeat(40)
  }),
  holding('no such repository', 'repository_refused', () => 'a'.repeat(40)),
  holding('a tree in the place of a commit', BAD_OBJECT, modules => {
    modules.commit('lib', { a: '1' })
    return modules.tree('lib', { a: '1' })
  }),
  holding('a file in the place of a commit', BAD_OBJECT, modules => {
    modules.commit('lib', { a: '1' })
    return modules.repository('lib').blob('1')
  }),
  holding('a tag in the place of a commit', BAD_OBJECT, modules => {
    const lib = modules.repository('lib')
    const tag = lib.raw(
      'tag',
      `object ${modules.commit('lib', { a: '1' })}\ntype commit\ntag v1\ntagger A <a@b> 1760000000 +0000\n\nv1\n`,
    )
    lib.ref('refs/tags/v1', tag)
    return tag
  }),
  holding('a file that holds something else than its id says', BAD_OBJECT, modules => {
    const lib = modules.repository('lib')
    const commit = modules.commit('lib', { a: 'right' })
    swap(lib, lib.blob('right'), lib.blob('evil!'))
    return commit
  }),
  holding('a commit that holds another commit', BAD_OBJECT, modules => {
    const commit = modules.commit('lib', { a: 'right' })
    swap(modules.repository('lib'), commit, modules.commit('lib', { a: 'evil' }))
    return commit
  }),
  holding('a file that is missing', BAD_OBJECT, modules => {
    const lib = modules.repository('lib')
    const commit = lib.commit(lib.mktree([['100644', 'a'.repeat(40), 'a']]))
    lib.ref('refs/heads/main', commit)
    return commit
  }),
  holding('a file that is too large', 'repository_too_large', modules =>
    modules.commit('lib', { a: 'x'.repeat(2_100_000) }),
  ),
  holding('in it, one that is nowhere declared', 'submodule_undeclared', modules =>
    modules.commit('lib', { inner: ['160000', 'a'.repeat(40)] }),
  ),
  {
    name: 'submodule: in it, one on another host',
    code: HOST,
    make(modules, { elsewhere }) {
      const inner = modules.commit('inner', { a: '1' })
      const lib = modules.commit('lib', {
        '.gitmodules': gitmodules({ inner: `${elsewhere}/inner.git` }),
        inner: ['160000', inner],
      })
      modules.commit('main', { '.gitmodules': gitmodules({ sub: '../lib.git' }), sub: ['160000', lib] })
      return undefined
    },
  },
  {
    name: 'submodule: on a listed host, which asks for a password',
    code: 'repository_refused',
    make(modules, { elsewhere }) {
      const sub = modules.commit('lib', { a: '1' })
      modules.commit('main', {
        '.gitmodules': gitmodules({ sub: `${elsewhere}/closed/lib.git` }),
        sub: ['160000', sub],
      })
      return { submoduleHosts: [elsewhere] }
    },
  },
  answering('a redirection', ['repository_unreachable', 'repository_refused'], (response, { elsewhere }) => {
    response.writeHead(302, { location: `${elsewhere}/lib.git/info/refs?service=git-upload-pack` }).end()
  }),
  answering('never answers', 'repository_unreachable', () => undefined, { fetchMs: 5_000 }),
  answering('is broken', 'repository_unreachable', response => {
    response.writeHead(500).end()
  }),
  answering('lets nobody in', 'repository_refused', response => {
    response.writeHead(403).end()
  }),
  answering('is no git', [...BAD_OBJECT, 'repository_refused', 'repository_unsupported'], response => {
    response.writeHead(200).end('<html></html>')
  }),
]
