import { gitmodules } from './modules.ts'
import type { Code, Servers, SubmoduleCase } from './submodule-case.ts'

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

const ADDRESS = 'submodule_address_refused'
const HOST = 'submodule_host_refused'
const INVALID = 'submodule_invalid'
/** Refused by git already, when it checks what it receives. */
const INVALID_FOR_GIT = [INVALID, 'repository_damaged'] as const
const entry = (name: string, path: string, url: string) => `[submodule "${name}"]\n\tpath = ${path}\n\turl = ${url}\n`

/** Where a submodule is said to be, and how. */
export const HOSTILE_SUBMODULE_ADDRESSES: readonly SubmoduleCase[] = [
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
  address('a line in it, encoded', [ADDRESS, 'repository_damaged'], ({ own }) => `${own}/lib%0a.git`),
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
]
