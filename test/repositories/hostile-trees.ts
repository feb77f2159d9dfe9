import { join } from 'node:path'
import type { GitRepository } from './git-repository.ts'
import { one, type RepositoryCase } from './repository-case.ts'

function treeCase(
  name: string,
  code: RepositoryCase['code'],
  make: (repository: GitRepository) => string,
): RepositoryCase {
  return one(`files: ${name}`, code, repository => repository.commit(make(repository)))
}

const UNSAFE = ['tree_unsafe', 'repository_damaged'] as const
/** A name in a tree, whatever git thinks of it. */
function rawTree(
  repository: GitRepository,
  entries: readonly (readonly [mode: string, name: string | Buffer, id: string])[],
) {
  return repository.raw(
    'tree',
    Buffer.concat(
      entries.flatMap(([mode, name, id]) => [
        Buffer.from(`${mode} `),
        Buffer.from(name as string),
        Buffer.from([0]),
        Buffer.from(id, 'hex'),
      ]),
    ),
  )
}

function link(name: string, files: Readonly<Record<string, string>>): RepositoryCase {
  return treeCase(`a link: ${name}`, 'tree_unsafe', repository => {
    const index = join(repository.path, 'links-index')
    const lines = Object.entries(files).map(([path, content]) => {
      const [mode, text] = content.startsWith('->') ? ['120000', content.slice(2)] : ['100644', content]
      return `${mode} ${repository.blob(text)}\t${path}\n`
    })
    repository.git(['update-index', '--index-info'], lines.join(''), { GIT_INDEX_FILE: index })
    return repository.git(['write-tree'], '', { GIT_INDEX_FILE: index })
  })
}

/** Files that must not be laid anywhere: names, kinds, sizes, links. */
export const HOSTILE_TREES: readonly RepositoryCase[] = [
  treeCase('a folder called ..', UNSAFE, repository =>
    rawTree(repository, [['40000', '..', repository.tree({ x: '1' })]]),
  ),
  treeCase('a file called ..', UNSAFE, repository => rawTree(repository, [['100644', '..', repository.blob('1')]])),
  treeCase('a file called .', UNSAFE, repository => rawTree(repository, [['100644', '.', repository.blob('1')]])),
  treeCase('a folder called .git', UNSAFE, repository =>
    rawTree(repository, [['40000', '.git', repository.tree({ config: '1' })]]),
  ),
  treeCase('a folder called .GIT', UNSAFE, repository =>
    rawTree(repository, [['40000', '.GIT', repository.tree({ config: '1' })]]),
  ),
  treeCase('a name with a slash', UNSAFE, repository =>
    rawTree(repository, [['100644', '../../etc/passwd', repository.blob('1')]]),
  ),
  treeCase('an absolute name', UNSAFE, repository =>
    rawTree(repository, [['100644', '/etc/passwd', repository.blob('1')]]),
  ),
  treeCase('an empty name', UNSAFE, repository => rawTree(repository, [['100644', '', repository.blob('1')]])),
  treeCase('a name that is there twice', UNSAFE, repository =>
    rawTree(repository, [
      ['100644', 'a', repository.blob('1')],
      ['100644', 'a', repository.blob('2')],
    ]),
  ),
  treeCase('a link and a folder of one name', UNSAFE, repository =>
    rawTree(repository, [
      ['120000', 'a', repository.blob('/etc')],
      ['40000', 'a', repository.tree({ passwd: '1' })],
    ]),
  ),
  treeCase('a device', UNSAFE, repository => rawTree(repository, [['020644', 'a', repository.blob('1')]])),
  treeCase('a mode that is none', UNSAFE, repository => rawTree(repository, [['777777', 'a', repository.blob('1')]])),
  treeCase('a tree that is cut off', ['repository_damaged', 'repository_unreachable'], repository =>
    repository.raw('tree', Buffer.from('100644 a\0short')),
  ),
  treeCase('a folder that is a file', ['repository_damaged', 'repository_unreachable'], repository =>
    rawTree(repository, [['40000', 'a', repository.blob('1')]]),
  ),
  treeCase('a file that is a folder', ['repository_damaged', 'repository_unreachable'], repository =>
    rawTree(repository, [['100644', 'a', repository.tree({ x: '1' })]]),
  ),
  treeCase('a name in latin-1', 'tree_unsafe', repository =>
    rawTree(repository, [['100644', Buffer.from([0x67, 0xf6]), repository.blob('1')]]),
  ),
  treeCase('a name of 300 bytes', 'tree_unsafe', repository =>
    repository.mktree([['100644', repository.blob('1'), 'x'.repeat(300)]]),
  ),
  treeCase('a path of 150 folders', 'tree_unsafe', repository => {
    let tree = repository.tree({ x: '1' })
    for (let at = 0; at < 150; at++) tree = repository.mktree([['040000', tree, 'f']])
    return tree
  }),
  treeCase('ten folders of ten folders of ten …', 'tree_too_large', repository => {
    let tree = repository.tree({ x: '1' })
    for (let at = 0; at < 10; at++) {
      tree = repository.mktree(Array.from({ length: 10 }, (_, name) => ['040000', tree, `f${name}`] as const))
    }
    return tree
  }),
  treeCase('a file that is larger than allowed', ['repository_too_large', 'tree_too_large'], repository =>
    repository.tree({ big: 'x'.repeat(3_000_000) }),
  ),
  treeCase('files that are together larger than allowed', 'tree_too_large', repository => {
    const files = Array.from({ length: 6 }, (_, at) => [`f${at}`, String(at).repeat(900_000)] as const)
    return repository.tree(Object.fromEntries(files))
  }),
  link('absolute', { a: '->/etc/passwd' }),
  link('out of the root', { a: '->..' }),
  link('out of a folder', { 'b/c/a': '->../../../x' }),
  link('out, after going in', { a: '->b/../../x', 'b/x': '1' }),
  link('out, through another one', { 'a/b/up': '->../..', 'a/b/x': '->up/../y' }),
  link('out, through two others', { 'd/e/one': '->../..', two: '->d/e/one', x: '->two/../y' }),
  link('out, with blank parts', { a: '->.//..//x' }),
  link('out, through a folder that is not there', { a: '->nothing/../../x' }),
  link('in a circle', { a: '->b', b: '->a' }),
  link('to itself', { a: '->a/x' }),
]
