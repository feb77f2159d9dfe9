import { execFileSync } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { ErrorCode } from '../../src/protocol/errors.ts'
import type { Limits, RepositoryOptions } from '../../src/server/watch/repository/options.ts'
import type { GitRepository } from './git-repository.ts'
import { type Contents, gitmodules, type Modules } from './modules.ts'

/** A signed commit whose submodules must not lead to a tar of files. */
export interface SubmoduleCase {
  readonly name: string
  readonly code: ErrorCode | readonly ErrorCode[]
  /** Makes `main.git`, on a server that is asked with a password. */
  make(modules: Modules, servers: Servers): SubmoduleWatch | undefined
}

/** Addresses without a slash at the end. */
export interface Servers {
  readonly own: string
  /** It must not hear of the password, and unless it is listed, of nothing at all. */
  readonly elsewhere: string
}

export interface SubmoduleWatch extends Partial<RepositoryOptions> {
  /** Answers in the place of git, where it returns true. */
  readonly before?: (request: IncomingMessage, response: ServerResponse) => boolean
}

type Code = SubmoduleCase['code']

/** A submodule at `sub` that is declared so, and its server has what it names. */
function declared(name: string, code: Code, text: string | ((servers: Servers) => string)): SubmoduleCase {
  return {
    name: `submodule: ${name}`,
    code,
    make(modules, servers) {
      const written = typeof text === 'string' ? text : text(servers)
      modules.commit('main', { '.gitmodules': written, sub: ['160000', modules.commit('lib', { a: '1' })] })
      return undefined
    },
  }
}

function address(name: string, code: Code, url: string | ((servers: Servers) => string)): SubmoduleCase {
  return declared(name, code, servers => gitmodules({ sub: typeof url === 'string' ? url : url(servers) }))
}

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

const ADDRESS = 'submodule_address_refused'
const HOST = 'submodule_host_refused'
const INVALID = 'submodule_invalid'
/** Refused by git already, when it checks what it receives. */
const INVALID_FOR_GIT = [INVALID, 'repository_damaged'] as const
const BAD_OBJECT = ['repository_damaged', 'repository_unreachable', 'submodule_commit_missing'] as const
const entry = (name: string, path: string, url: string) => `[submodule "${name}"]\n\tpath = ${path}\n\turl = ${url}\n`

export const HOSTILE_SUBMODULES: readonly SubmoduleCase[] = [
  address('on another host', HOST, ({ elsewhere }) => `${elsewhere}/lib.git`),
  address('on another port', HOST, ({ own }) => `${own.replace(/:\d+$/, ':1')}/lib.git`),
  address(
    'on a host that only begins like the own one',
    HOST,
    ({ own }) => `${own.replace(/:\d+$/, '')}.evil.example/lib.git`,
  ),
  address('by ssh on the host of https', HOST, 'ssh://git@127.0.0.1/lib.git'),
  address('user@host:path on the host of https', HOST, 'git@127.0.0.1:lib.git'),
  address('without TLS', ADDRESS, ({ own }) => `${own.replace('https', 'http')}/lib.git`),
  address('a file', ADDRESS, 'file:///etc'),
  address('a path', ADDRESS, '/etc'),
  address('a path of here', ADDRESS, 'lib.git'),
  address('ext::', ADDRESS, 'ext::touch%20hit'),
  address('ext:: of a shell', ADDRESS, '"ext::sh -c \\"touch hit\\""'),
  address('fd::', ADDRESS, 'fd::7/x'),
  address('git://', ADDRESS, 'git://127.0.0.1/lib.git'),
  address('a helper by its name', ADDRESS, ({ own }) => `https::${own}/lib.git`),
  address('an option', [ADDRESS, 'repository_damaged'], '--upload-pack=touch hit'),
  address('an option of ssh', ADDRESS, 'ssh://-oProxyCommand=touch%20hit/x'),
  address('an option in a path', ADDRESS, ({ own }) => `${own}/--upload-pack=x`),
  address('a password', ADDRESS, ({ own }) => `${own.replace('//', '//bot:x@')}/lib.git`),
  address('a password for another host', ADDRESS, ({ elsewhere }) => `${elsewhere.replace('//', '//bot:x@')}/lib.git`),
  address('a line in it', [ADDRESS, 'repository_damaged'], '"../lib.git\\nurl = x"'),
  address('a line in it, encoded', [ADDRESS, ...BAD_OBJECT, 'repository_refused'], ({ own }) => `${own}/lib%0a.git`),
  address('a query', ADDRESS, ({ own }) => `${own}/lib.git?service=x`),
  address('relative, out of the server', ADDRESS, '../../../evil.example/lib.git'),
  address('relative, out of the server and back', ADDRESS, '../x/../../lib.git'),
  address('empty', [INVALID, 'repository_damaged'], ''),
  declared('a name with ..', INVALID_FOR_GIT, entry('../../evil', 'sub', '../lib.git')),
  declared('a name that is empty', INVALID_FOR_GIT, entry('', 'sub', '../lib.git')),
  declared('a path twice', INVALID, entry('sub', 'sub', '../lib.git') + entry('other', 'sub', '../lib.git')),
  declared('an address twice', INVALID, `${entry('sub', 'sub', '../lib.git')}\turl = ../main.git\n`),
  declared('a section twice', INVALID, entry('sub', 'sub', '../lib.git').repeat(2)),
  declared('another path', 'submodule_undeclared', entry('sub', 'sub/', '../lib.git')),
  declared('a path with . in it', 'submodule_undeclared', entry('sub', './sub', '../lib.git')),
  declared('a path in other letters', 'submodule_undeclared', entry('sub', 'SUB', '../lib.git')),
  declared('a path that leads elsewhere', 'submodule_undeclared', entry('sub', '../sub', '../lib.git')),
  declared('no address', 'submodule_undeclared', '[submodule "sub"]\n\tpath = sub\n'),
  declared('by what it includes', 'submodule_undeclared', '[include]\n\tpath = /etc/gitconfig\n'),
  declared('in what is no configuration', INVALID_FOR_GIT, '[submodule "sub\n'),
  declared(
    'in an object of LFS',
    INVALID_FOR_GIT,
    `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 1\n`,
  ),
  declared('in 300 KB', INVALID, entry('sub', 'sub', '../lib.git') + `# ${'x'.repeat(80)}\n`.repeat(4_000)),
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
