import { mkdirSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { World } from '../../../../test/repositories/world.ts'
import { type AcceptedCommit, checkQuorum } from '../signatures/quorum.ts'
import type { FilesOptions } from './files.ts'
import { parseTree } from './objects.ts'
import { openRepository } from './repository.ts'
import type { TarOptions } from './tree-tar.ts'

const world = new World()
const remote = world.repository
const folder = mkdtempSync(join(tmpdir(), 'writ-tar-'))
beforeAll(() => mkdirSync(join(folder, 'cache')))
afterAll(async () => {
  world.close()
  await rm(folder, { recursive: true })
})

/** What a watch would unpack of that tree: headers and contents. */
async function unpacked(
  tree: string,
  options: TarOptions & FilesOptions = {},
): Promise<Map<string, { header: Header; content: string }>> {
  remote.ref('refs/heads/main', remote.commit(tree))
  const repository = openRepository({
    address: remote.path,
    branch: 'main',
    protocols: ['file'],
    cacheDirectory: join(folder, 'cache'),
  })
  const entries = new Map<string, { header: Header; content: string }>()
  try {
    const { object } = await repository.fetch(await repository.tip())
    const accepted = await checkQuorum(await repository.evidence(object), [], 0, new Date())
    const tar = extract()
    const files = await repository.filesOf(accepted, options)
    const packing = pipeline(repository.tarOf(files, options), tar as unknown as Writable)
    packing.catch(() => {})
    for await (const entry of tar) {
      entries.set(entry.header.name, { header: entry.header, content: (await buffer(entry)).toString() })
    }
    await packing
  } finally {
    repository.close()
  }
  return entries
}

function withModes(files: Readonly<Record<string, readonly [mode: string, content: string]>>): string {
  const index = join(folder, `index-${Math.random()}`)
  const lines = Object.entries(files).map(([path, [mode, content]]) => {
    const id = mode === '160000' ? content : remote.blob(content)
    return `${mode} ${id}\t${path}\n`
  })
  remote.git(['update-index', '--index-info'], lines.join(''), { GIT_INDEX_FILE: index })
  return remote.git(['write-tree'], '', { GIT_INDEX_FILE: index })
}

test('files, folders, modes, owners and links as they are in the commit', async () => {
  const tree = withModes({
    'run.sh': ['100755', 'echo hi\n'],
    'größe/deep/ü.txt': ['100644', 'x'],
    'bin/sh': ['120000', '../run.sh'],
    'bin/up': ['120000', '..'],
    'bin/up2': ['120000', 'up/bin/up/run.sh'],
    dangling: ['120000', 'nothing/here'],
    [`${'long/'.repeat(40)}name`]: ['100644', 'long'],
    empty: ['100644', ''],
  })
  const entries = await unpacked(tree, { folder: 'git', uid: 7, gid: 8 })
  const plain = [...entries].map(([name, { header }]) => [name, header.type, header.mode, header.linkname ?? null])
  expect(plain).toContainEqual(['git/run.sh', 'file', 0o755, null])
  expect(plain).toContainEqual(['git/größe/deep/ü.txt', 'file', 0o644, null])
  expect(plain).toContainEqual(['git/bin/up', 'symlink', 0o777, '..'])
  expect(plain).toContainEqual(['git/bin/up2', 'symlink', 0o777, 'up/bin/up/run.sh'])
  expect(plain).toContainEqual(['git/dangling', 'symlink', 0o777, 'nothing/here'])
  expect(entries.get(`git/${'long/'.repeat(40)}name`)?.content).toBe('long')
  expect(entries.get('git/empty')?.content).toBe('')
  const names = [...entries.keys()].map(name => name.replace(/\/$/, ''))
  for (const parent of ['git', 'git/bin', 'git/größe', 'git/größe/deep']) {
    expect(names.indexOf(parent)).toBeGreaterThanOrEqual(0)
    expect(names.findIndex(name => name.startsWith(`${parent}/`))).toBeGreaterThan(names.indexOf(parent))
  }
  expect([...entries.values()].every(({ header }) => header.uid === 7 && header.gid === 8)).toBe(true)
})

test('nothing in the repository changes what is unpacked', async () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n'
  const tree = withModes({
    '.gitattributes': [
      '100644',
      'secret export-ignore\nversion export-subst\n*.txt text eol=crlf\n*.bin filter=lfs\n* ident\n',
    ],
    secret: ['100644', 'is there'],
    version: ['100644', '$Format:%H$ $Id$\n'],
    'a.txt': ['100644', 'one\ntwo\n'],
    'big.bin': ['100644', pointer],
    '.gitmodules': ['100644', '[submodule "x"]\n path = sub\n url = https://127.0.0.1:1/x\n'],
    sub: ['160000', 'a'.repeat(40)],
    'hooks/post-checkout': ['100755', 'touch hit'],
    '.dockerignore': ['100644', '*\n'],
    '.flant_gitops/Dockerfile': ['100644', 'FROM another\n'],
    '.lfsconfig': ['100644', '[lfs]\n url = https://127.0.0.1:1/x\n'],
  })
  const entries = await unpacked(tree, { submodules: 'empty' })
  expect(entries.get('secret')?.content).toBe('is there')
  expect(entries.get('version')?.content).toBe('$Format:%H$ $Id$\n')
  expect(entries.get('a.txt')?.content).toBe('one\ntwo\n')
  expect(entries.get('.flant_gitops/Dockerfile')?.content).toBe('FROM another\n')
  expect(entries.get('big.bin')?.content).toBe(pointer)
  expect(entries.get('sub/')?.header.type ?? entries.get('sub')?.header.type).toBe('directory')
})

test('a commit with a submodule is refused, wherever that is, unless it may be empty', async () => {
  const inner = withModes({ sub: ['160000', 'a'.repeat(40)], 'a.txt': ['100644', '1'] })
  for (const tree of [inner, remote.mktree([['040000', inner, 'folder']])])
    await expect(unpacked(tree)).rejects.toMatchObject({ code: 'tree_submodules' })
})

test('only an accepted commit has files', async () => {
  const repository = openRepository({
    address: remote.path,
    branch: 'main',
    protocols: ['file'],
    cacheDirectory: join(folder, 'cache'),
  })
  const forged = { commit: 'a'.repeat(40), signers: [], required: 0, subject: 'x' } as unknown as AcceptedCommit
  await expect(repository.filesOf(forged)).rejects.toMatchObject({ code: 'quorum_not_met' })
})

test('names that git would not fetch are refused here too', () => {
  const entry = (mode: string, name: string | Buffer) =>
    Buffer.concat([Buffer.from(`${mode} `), Buffer.from(name as string), Buffer.alloc(21)])
  const tree =
    (...entries: Buffer[]) =>
    () =>
      parseTree({ id: 'x', type: 'tree', bytes: Buffer.concat(entries) })
  expect(tree(entry('100644', 'a'), entry('040000', 'b'))()).toHaveLength(2)
  for (const name of ['', '.', '..', '.git', '.GIT', 'a/b', '/a', Buffer.from([0xff]), 'x'.repeat(256)]) {
    expect(tree(entry('100644', name))).toThrow(expect.objectContaining({ code: 'tree_unsafe' }))
  }
  expect(tree(entry('100644', 'a'), entry('40000', 'a'))).toThrow(expect.objectContaining({ code: 'tree_unsafe' }))
  for (const mode of ['', '100600', '020644', '777777', '100644 x']) {
    const code = expect.stringMatching(/repository_damaged|tree_unsafe/) as string
    if (mode !== '100644 x') expect(tree(entry(mode, 'a'))).toThrow(expect.objectContaining({ code }))
  }
  expect(tree(entry('100644', 'a').subarray(0, -1))).toThrow(expect.objectContaining({ code: 'repository_damaged' }))
})

test.each(['openpgp', 'ssh', 'note', 'lightweight'])('a watched tag: %s', async kind => {
  const bytes = world.commitBytes(`tagged ${kind}`)
  const name = `production-${kind}`
  const signedCommit = kind === 'lightweight'
  const commit = signedCommit ? world.signed('ann', kind) : remote.raw('commit', bytes)
  const payload = `object ${commit}\ntype commit\ntag ${name}\ntagger A <a@b> 1760000000 +0000\n\nx\n`
  const signature =
    kind === 'openpgp' || kind === 'ssh' ? world.signatureOf(kind === 'ssh' ? 'sam' : 'ann', payload) : ''
  const tag = signedCommit ? commit : remote.raw('tag', `${payload}${signature}`)
  remote.ref(`refs/tags/${name}`, tag)
  if (kind === 'note') world.note(tag, world.line('ann', tag))
  world.publish([])
  const repository = openRepository({
    address: remote.path,
    branch: `refs/tags/${name}`,
    protocols: ['file'],
    cacheDirectory: join(folder, 'cache'),
  })
  const { object } = await repository.fetch(await repository.tip())
  const accepted = await checkQuorum(await repository.evidence(object), world.trust('ann', 'sam'), 1, new Date())
  expect(accepted.commit).toBe(commit)
  expect(accepted.subject).toBe(tag)
  expect(await repository.commitOf(object)).toBe(commit)
  repository.close()
})

test('notes that an annotated tag stands for', async () => {
  const id = world.unsigned('peeled')
  world.note(id, world.line('bob', id))
  world.publish([id])
  const notes = remote.git(['rev-parse', 'refs/tags/latest-signature'])
  const tag = remote.raw(
    'tag',
    `object ${notes}\ntype commit\ntag latest-signature\ntagger A <a@b> 1760000000 +0000\n\nx\n`,
  )
  remote.ref('refs/tags/latest-signature', tag)
  const repository = openRepository({
    address: remote.path,
    branch: 'main',
    protocols: ['file'],
    cacheDirectory: join(folder, 'cache'),
  })
  await repository.fetch(await repository.tip())
  const accepted = await checkQuorum(await repository.evidence(id), world.trust('bob'), 1, new Date())
  expect(accepted.signers).toMatchObject([{ name: 'bob', where: 'note' }])
  repository.close()
})
