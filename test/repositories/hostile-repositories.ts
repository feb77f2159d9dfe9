import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GitRepository } from './git-repository.ts'
import { armored } from './gpg-home.ts'
import { HOSTILE_TREES } from './hostile-trees.ts'
import { one, type RepositoryCase } from './repository-case.ts'
import type { World } from './world.ts'

function start(repository: GitRepository): string {
  const commit = repository.commit(repository.tree({ 'a.txt': 'first' }))
  repository.ref('refs/heads/main', commit)
  return commit
}

function badCommit(name: string, change: (bytes: string) => string): RepositoryCase {
  return one(
    `a malformed commit: ${name}`,
    ['repository_damaged', 'commit_unknown', 'repository_unreachable'],
    (repository, world) => {
      const bytes = world.commitBytes('x', { tree: repository.tree({ 'a.txt': '1' }) })
      const id = repository.raw('commit', change(bytes))
      writeFileSync(join(repository.path, 'refs/heads/main'), `${id}\n`)
      return undefined
    },
  )
}

function badNotes(
  name: string,
  make: (repository: GitRepository, commit: string, world: World) => string,
): RepositoryCase {
  return one(
    `notes: ${name}`,
    ['signatures_unreadable', 'repository_damaged', 'repository_unreachable'],
    (repository, world) => {
      const bytes = world.commitBytes('x', { tree: repository.tree({ 'a.txt': '1' }) })
      const commit = repository.raw('commit', bytes)
      repository.ref('refs/heads/main', commit)
      writeFileSync(join(repository.path, 'refs/tags/latest-signature'), `${make(repository, commit, world)}\n`)
      return { required: 1 }
    },
  )
}

/** The loose file of an object is replaced by that of another one. */
function swap(repository: GitRepository, id: string, other: string): void {
  const path = (object: string) => join(repository.path, 'objects', object.slice(0, 2), object.slice(2))
  execFileSync('cp', ['-f', path(other), path(id)])
}

function tag(repository: GitRepository, target: string, name: string, type = 'commit', signature = ''): string {
  return repository.raw(
    'tag',
    `object ${target}\ntype ${type}\ntag ${name}\ntagger A <a@b> 1760000000 +0000\n\n${name}\n${signature}`,
  )
}

const NOT_THERE = 'a'.repeat(40)

export const HOSTILE_REPOSITORIES: readonly RepositoryCase[] = [
  ...[
    'ext::sh -c "touch hit"',
    'ext::touch%20hit',
    'fd::7/x',
    '--upload-pack=touch hit',
    'ssh://-oProxyCommand=touch%20hit/x',
    '-oProxyCommand=x@host:y',
    'git://127.0.0.1/x',
    'ftp://127.0.0.1/x',
  ].map(address => one(`address ${address}`, 'repository_address_invalid', () => ({ address }))),
  ...[
    '--upload-pack=touch hit',
    '-x',
    'main:refs/heads/evil',
    'refs/replace/x',
    '../../x',
    'main^{tree}',
    'main~1',
    'refs/tags/latest-signature',
    '*',
  ].map(branch => one(`branch ${branch}`, 'repository_branch_invalid', () => ({ branch }))),
  one('an empty repository', 'repository_branch_missing', () => undefined),
  one('no such branch', 'repository_branch_missing', repository => ({ last: start(repository), branch: 'other' })),
  one('a branch that is only in the name of another', 'repository_branch_missing', repository => {
    repository.ref('refs/heads/refs/heads/main', start(repository))
    repository.git(['update-ref', '-d', 'refs/heads/main'])
    return undefined
  }),
  one('a force-push to something older', 'commit_not_descendant', repository => {
    const first = start(repository)
    const second = repository.commit(repository.tree({ 'a.txt': '2' }), [first])
    repository.ref('refs/heads/keep', second)
    return { last: second, spoil: cache => fetchInto(cache, repository) }
  }),
  one('a force-push that forgets the last one', 'commit_unknown', repository => {
    start(repository)
    return { last: NOT_THERE }
  }),
  one('a rewritten commit', ['commit_not_descendant', 'commit_unknown'], repository => {
    const first = start(repository)
    const second = repository.commit(repository.tree({ 'a.txt': '2' }), [first], 'second')
    repository.ref('refs/heads/main', repository.commit(repository.tree({ 'a.txt': '2' }), [first], 'rewritten'))
    return { last: second }
  }),
  one('an unrelated history', 'commit_unknown', repository => {
    start(repository)
    const other = new GitRepository(repository.path, 'other.git')
    return { last: other.commit(other.tree({ b: '1' })) }
  }),
  one('a last commit that is a tree', 'commit_unknown', repository => {
    start(repository)
    return { last: repository.tree({ 'a.txt': 'first' }) }
  }),
  one('a replacement that puts a signed commit in place of an unsigned one', 'quorum_not_met', (repository, world) => {
    const bytes = world.commitBytes('signed', { tree: repository.tree({ 'a.txt': '1' }) })
    const unsigned = repository.raw('commit', bytes)
    const signed = repository.raw(
      'commit',
      bytes.replace('\n\n', `\ngpgsig ${world.signatureOf('ann', bytes).trim().replaceAll('\n', '\n ')}\n\n`),
    )
    repository.ref('refs/heads/main', unsigned)
    repository.ref(`refs/replace/${unsigned}`, signed)
    return { required: 1, spoil: cache => fetchInto(cache, repository) }
  }),
  one('a replacement that makes a force-push a descendant', 'commit_not_descendant', repository => {
    const last = start(repository)
    const tip = repository.commit(repository.tree({ 'a.txt': 'evil' }))
    const child = repository.commit(repository.tree({ 'a.txt': 'evil' }), [last])
    repository.ref('refs/heads/main', tip)
    repository.ref('refs/heads/last', last)
    repository.ref(`refs/replace/${tip}`, child)
    return { last, spoil: cache => fetchInto(cache, repository) }
  }),
  one('a graft that makes a force-push a descendant', 'commit_not_descendant', repository => {
    const last = start(repository)
    const tip = repository.commit(repository.tree({ 'a.txt': 'evil' }))
    repository.ref('refs/heads/main', tip)
    repository.ref('refs/heads/last', last)
    mkdirSync(join(repository.path, 'info'), { recursive: true })
    repository.writeFile('info/grafts', `${tip} ${last}\n`)
    return {
      last,
      spoil(cache) {
        execFileSync('git', [`--git-dir=${cache}`, 'fetch', '-q', repository.path, 'refs/heads/last'])
        mkdirSync(join(cache, 'info'), { recursive: true })
        writeFileSync(join(cache, 'info/grafts'), `${tip} ${last}\n`)
      },
    }
  }),
  one('a shallow repository', 'repository_unsupported', repository => {
    const source = new GitRepository(repository.path, 'source.git')
    const first = source.commit(source.tree({ 'a.txt': '1' }))
    source.ref('refs/heads/main', source.commit(source.tree({ 'a.txt': '2' }), [first]))
    const shallow = join(repository.path, 'shallow.git')
    execFileSync('git', ['clone', '-q', '--bare', '--depth=1', `file://${source.path}`, shallow])
    return { address: shallow, last: first }
  }),
  one('a repository with SHA-256', ['repository_unsupported', 'repository_branch_missing'], repository => {
    const path = join(repository.path, 'sha256.git')
    execFileSync('git', ['init', '-q', '--bare', '--object-format=sha256', '-b', 'main', path])
    const git = (...args: string[]) =>
      execFileSync('git', [`--git-dir=${path}`, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { input: '' })
        .toString()
        .trim()
    git('update-ref', 'refs/heads/main', git('commit-tree', git('mktree'), '-m', 'x'))
    return { address: path }
  }),
  one(
    'an object that holds something else than its id says',
    ['repository_damaged', 'repository_unreachable'],
    repository => {
      const commit = start(repository)
      swap(repository, repository.blob('first'), repository.blob('evil!'))
      return { last: commit }
    },
  ),
  one(
    'a commit that holds another commit',
    ['repository_damaged', 'repository_unreachable', 'repository_branch_missing'],
    repository => {
      const first = start(repository)
      const second = repository.commit(repository.tree({ 'a.txt': 'evil' }))
      swap(repository, first, second)
      return undefined
    },
  ),
  one('a missing file', ['repository_damaged', 'repository_unreachable'], repository =>
    repository.commit(repository.mktree([['100644', NOT_THERE, 'a.txt']])),
  ),
  one(
    'a missing parent',
    ['repository_damaged', 'repository_unreachable', 'repository_unsupported'],
    (repository, world) => {
      const bytes = world.commitBytes('x', { tree: repository.tree({ 'a.txt': '1' }), parents: [NOT_THERE] })
      writeFileSync(join(repository.path, 'refs/heads/main'), `${repository.raw('commit', bytes)}\n`)
      return undefined
    },
  ),
  badCommit('two trees', bytes => bytes.replace(/tree \S+\n/, '$&$&')),
  badCommit('no tree', bytes => bytes.replace(/tree \S+\n/, '')),
  badCommit('the tree after the author', bytes => bytes.replace(/(tree \S+\n)(author .*\n)/, '$2$1')),
  badCommit('no author', bytes => bytes.replace(/author .*\n/, '')),
  badCommit('two committers', bytes => bytes.replace(/committer .*\n/, '$&$&')),
  badCommit('a NUL in its header', bytes => bytes.replace('author Ann', 'author A\0nn')),
  badCommit('a NUL in its message', bytes => `${bytes}\0evil`),
  badCommit('a tree that is a name', bytes => bytes.replace(/(?<=tree )\S+/, 'refs/heads/main')),
  badCommit('a date that is none', bytes => bytes.replace(/(?<=> )\d+/g, 'x')),
  badCommit('empty', () => ''),
  ...HOSTILE_TREES,
  badNotes('the ref names a tree', repository => repository.tree({ x: '1' })),
  badNotes('the ref names a file', repository => repository.blob('1')),
  badNotes('the ref names a tag of a tag', (repository, commit) =>
    tag(repository, tag(repository, commit, 'inner'), 'latest-signature', 'tag'),
  ),
  badNotes('the ref names a tag of a tree', repository =>
    tag(repository, repository.tree({ x: '1' }), 'latest-signature', 'tree'),
  ),
  badNotes('the file is missing', (repository, commit) =>
    repository.commit(repository.mktree([['100644', NOT_THERE, commit]])),
  ),
  one('a tag in place of a branch', ['repository_damaged', 'repository_unreachable'], repository => {
    const id = tag(repository, start(repository), 'v1')
    writeFileSync(join(repository.path, 'refs/heads/main'), `${id}\n`)
    return undefined
  }),
  one('a tree in place of a branch', ['repository_damaged', 'commit_unknown', 'repository_unreachable'], repository => {
    writeFileSync(join(repository.path, 'refs/heads/main'), `${repository.tree({ a: '1' })}\n`)
    return undefined
  }),
  one('a signed tag under another name', 'repository_damaged', (repository, world) => {
    const commit = start(repository)
    const payload = `object ${commit}\ntype commit\ntag v1\ntagger A <a@b> 1760000000 +0000\n\nv1\n`
    repository.ref('refs/tags/production', repository.raw('tag', payload + world.signatureOf('ann', payload)))
    return { branch: 'refs/tags/production', required: 1 }
  }),
  one('an unsigned tag of a signed commit', 'quorum_not_met', (repository, world) => {
    const bytes = world.commitBytes('x', { tree: repository.tree({ a: '1' }) })
    const signature = world.signatureOf('ann', bytes).trim().replaceAll('\n', '\n ')
    const commit = repository.raw('commit', bytes.replace('\n\n', `\ngpgsig ${signature}\n\n`))
    repository.ref('refs/tags/production', tag(repository, commit, 'production'))
    return { branch: 'refs/tags/production', required: 1 }
  }),
  one('a tag whose text was changed', 'quorum_not_met', (repository, world) => {
    const commit = start(repository)
    const payload = `object ${commit}\ntype commit\ntag production\ntagger A <a@b> 1760000000 +0000\n\nv1\n`
    const signature = world.signatureOf('ann', payload)
    repository.ref('refs/tags/production', repository.raw('tag', payload.replace('v1', 'v2') + signature))
    return { branch: 'refs/tags/production', required: 1 }
  }),
  one('a tag moved to another commit', 'quorum_not_met', (repository, world) => {
    const commit = start(repository)
    const payload = `object ${commit}\ntype commit\ntag production\ntagger A <a@b> 1760000000 +0000\n\nv1\n`
    const other = repository.commit(repository.tree({ a: 'evil' }), [commit])
    repository.ref(
      'refs/tags/production',
      repository.raw('tag', payload.replace(commit, other) + world.signatureOf('ann', payload)),
    )
    return { branch: 'refs/tags/production', required: 1 }
  }),
  one('a tag with the signature of its commit', 'quorum_not_met', (repository, world) => {
    const bytes = world.commitBytes('x', { tree: repository.tree({ a: '1' }) })
    const commit = repository.raw('commit', bytes)
    repository.ref(
      'refs/tags/production',
      tag(repository, commit, 'production', 'commit', world.signatureOf('ann', bytes)),
    )
    return { branch: 'refs/tags/production', required: 1 }
  }),
  one('a tag of a tag', 'repository_damaged', repository => {
    const inner = tag(repository, start(repository), 'production')
    repository.ref('refs/tags/production', tag(repository, inner, 'production', 'tag'))
    return { branch: 'refs/tags/production' }
  }),
  one('a tag with rubbish for a signature', 'quorum_not_met', repository => {
    const id = tag(repository, start(repository), 'production', 'commit', armored(Buffer.alloc(90)))
    repository.ref('refs/tags/production', id)
    return { branch: 'refs/tags/production', required: 1 }
  }),
]

/** As if the cache had got a replacement, or an older commit, by some way. */
function fetchInto(cache: string, repository: GitRepository): void {
  const refs = ['+refs/heads/*:refs/heads/*', '+refs/replace/*:refs/replace/*']
  execFileSync('git', [`--git-dir=${cache}`, 'fetch', '-q', repository.path, ...refs])
}
