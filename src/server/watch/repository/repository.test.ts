import { existsSync, mkdtempSync, readdirSync, truncateSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GitRepository } from '../../../../test/repositories/git-repository.ts'
import type { RepositoryOptions } from './options.ts'
import { openRepository, type Repository } from './repository.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-watch-'))
const opened: Repository[] = []
const remote = new GitRepository(folder)
let first: string
let second: string

function open(options: Partial<RepositoryOptions> = {}): Repository {
  const repository = openRepository({
    address: remote.path,
    branch: 'main',
    cacheDirectory: join(folder, 'cache'),
    protocols: ['file'],
    ...options,
  })
  opened.push(repository)
  return repository
}

beforeAll(() => {
  first = remote.commit(remote.tree({ 'a.txt': '1', 'b/c.txt': '2' }))
  second = remote.commit(remote.tree({ 'a.txt': '3', 'd.txt': '4' }), [first], 'größe')
  remote.ref('refs/heads/main', second)
})

afterAll(async () => {
  for (const repository of opened) repository.close()
  await rm(folder, { recursive: true })
})

test('an address or a branch that is refused is refused at once', () => {
  expect(() => open({ address: 'ext::sh -c id' })).toThrow(
    expect.objectContaining({ code: 'repository_address_invalid' }),
  )
  expect(() => open({ branch: '--upload-pack=id' })).toThrow(
    expect.objectContaining({ code: 'repository_branch_invalid' }),
  )
})

test('looks, fetches, and knows what is new', async () => {
  const repository = open()
  const tip = await repository.tip()
  expect(tip).toEqual({ object: second, signatures: undefined })
  expect(await repository.fetch(tip)).toEqual(tip)
  expect(await repository.commitOf(second)).toBe(second)
  expect(await repository.isFastForward(first, second)).toBe(true)
  expect(await repository.isFastForward(second, second)).toBe(true)
  expect(await repository.isFastForward(second, first)).toBe(false)
  expect(await repository.commitsBetween(first, second)).toEqual([second])
  expect(await repository.commitsBetween(second, second)).toEqual([])
  expect(await repository.changedFiles(first, second)).toEqual([
    { change: 'modified', path: 'a.txt' },
    { change: 'deleted', path: 'b/c.txt' },
    { change: 'added', path: 'd.txt' },
  ])
  expect((await repository.changedFiles(undefined, first)).map(file => file.path)).toEqual(['a.txt', 'b/c.txt'])
  expect(await repository.readCommit(second)).toMatchObject({
    id: second,
    parents: [first],
    author: { name: 'Ann', email: 'ann@example.com' },
    message: 'größe\n',
  })
})

test('the history of a branch is the states it was in', async () => {
  // side: two commits, merged; then a foxtrot: somebody merges main into their own branch and pushes that as main
  const tree = remote.tree({ 'a.txt': 'x' })
  const side1 = remote.commit(tree, [second])
  const side2 = remote.commit(tree, [side1])
  const main1 = remote.commit(tree, [second])
  const merge = remote.commit(tree, [main1, side2])
  const own = remote.commit(tree, [second])
  const foxtrot = remote.commit(tree, [own, merge])
  remote.ref('refs/heads/history', foxtrot)
  const repository = open({ branch: 'history' })
  await repository.fetch(await repository.tip())
  expect(await repository.commitsBetween(second, merge)).toEqual([main1, merge])
  expect(await repository.commitsBetween(merge, foxtrot)).toEqual([foxtrot])
  expect(await repository.commitsBetween(second, foxtrot)).toEqual([own, foxtrot])
  const strict = open({ branch: 'history', limits: { commits: 1 } })
  await expect(strict.commitsBetween(second, merge)).rejects.toMatchObject({ code: 'repository_too_large' })
})

test('what is not there, or not a commit, is unknown', async () => {
  const repository = open()
  await repository.fetch(await repository.tip())
  const tree = remote.tree({ 'a.txt': '1', 'b/c.txt': '2' })
  for (const id of ['0'.repeat(40), tree, 'main', 'HEAD', '--all', first.slice(0, 12), first.toUpperCase(), '']) {
    await expect(repository.readCommit(id)).rejects.toMatchObject({ code: 'commit_unknown' })
    await expect(repository.evidence(id)).rejects.toMatchObject({ code: 'commit_unknown' })
    await expect(repository.isFastForward(id, second)).rejects.toMatchObject({ code: 'commit_unknown' })
    await expect(repository.isFastForward(second, id)).rejects.toMatchObject({ code: 'commit_unknown' })
    await expect(repository.commitsBetween(id, second)).rejects.toMatchObject({ code: 'commit_unknown' })
  }
})

test('a branch or repository that is not there', async () => {
  await expect(open({ branch: 'nobody' }).tip()).rejects.toMatchObject({ code: 'repository_branch_missing' })
  await expect(open({ address: join(folder, 'nothing') }).tip()).rejects.toMatchObject({ code: 'repository_refused' })
})

test('a name that only ends in that of the branch is not the branch', async () => {
  remote.ref('refs/heads/refs/heads/hidden', first)
  await expect(open({ branch: 'hidden' }).tip()).rejects.toMatchObject({ code: 'repository_branch_missing' })
})

test('a copy that is damaged is made anew', async () => {
  const cacheDirectory = join(folder, 'damaged')
  const repository = open({ cacheDirectory })
  await repository.fetch(await repository.tip())
  repository.close()
  const [cache] = readdirSync(cacheDirectory)
  const packs = join(cacheDirectory, cache as string, 'objects', 'pack')
  for (const name of readdirSync(packs)) truncateSync(join(packs, name), 20)
  await expect(repository.readCommit(second)).rejects.toMatchObject({ code: /repository_damaged|commit_unknown/ })
  await repository.fetch(await repository.tip())
  expect((await repository.readCommit(second)).id).toBe(second)
})

test('many fetches leave few packs, and all that was fetched', async () => {
  const busy = new GitRepository(folder, 'busy.git')
  const cacheDirectory = join(folder, 'busy')
  const repository = open({ address: busy.path, cacheDirectory })
  const commits: string[] = []
  for (let at = 0; at < 23; at++) {
    // not descendants of each other: nothing but the packs holds the earlier ones
    commits.push(busy.commit(busy.tree({ 'a.txt': String(at) })))
    busy.ref('refs/heads/main', commits.at(-1) as string)
    await repository.fetch(await repository.tip())
  }
  const [cache] = readdirSync(cacheDirectory)
  const packs = readdirSync(join(cacheDirectory, cache as string, 'objects', 'pack'))
  expect(packs.filter(name => name.endsWith('.pack')).length).toBeLessThan(10)
  for (const commit of commits) expect((await repository.readCommit(commit)).id).toBe(commit)
  // some 200 processes
}, 90_000)

test('too large: refused, and nothing stays behind', async () => {
  const cacheDirectory = join(folder, 'small')
  const repository = open({ cacheDirectory, limits: { repositoryBytes: 100 } })
  await expect(repository.fetch(await repository.tip())).rejects.toMatchObject({ code: 'repository_too_large' })
  expect(existsSync(cacheDirectory) && readdirSync(cacheDirectory)).toEqual([])
})

test('interrupted and out of time', async () => {
  const interrupted = AbortSignal.abort(new Error('stop'))
  await expect(open().tip(interrupted)).rejects.toMatchObject({ code: 'repository_unreachable' })
  await expect(open({ limits: { lookMs: 1 } }).tip()).rejects.toMatchObject({ code: 'repository_unreachable' })
})
