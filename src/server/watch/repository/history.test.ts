import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { GitRepository } from '../../../../test/repositories/git-repository.ts'
import type { WritError } from '../../../protocol/errors.ts'
import type { Cache } from './cache.ts'
import { git } from './git.ts'
import { History } from './history.ts'
import { ObjectReader } from './object-reader.ts'
import { DEFAULT_LIMITS } from './options.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-history-'))
const repository = new GitRepository(folder)
const reader = new ObjectReader(repository.path, 1_000_000)
const cache = { directory: repository.path, ensure: async () => undefined } as unknown as Cache
const history = (limits = {}) => new History(cache, reader, { ...DEFAULT_LIMITS, ...limits })

afterAll(() => {
  reader.close()
  rmSync(folder, { recursive: true })
})

test('a history with a hole in it: nobody knows whether one descends from the other, which is no yes', async () => {
  const tree = repository.tree({ a: '1' })
  const first = repository.commit(tree)
  const lost = repository.commit(tree, [first])
  const last = repository.commit(tree, [lost])
  expect(await history().isFastForward(first, last)).toBe(true)
  rmSync(join(repository.path, 'objects', lost.slice(0, 2), lost.slice(2)))
  // git of some versions says no, others that they cannot know
  const said = await history()
    .isFastForward(first, last)
    .catch((error: unknown) => error)
  expect(said === false || (said as WritError).code === 'repository_damaged').toBe(true)
  const listed = history().commitsBetween(first, last)
  await expect(listed).rejects.toMatchObject({ code: 'repository_damaged' })
})

test('more changed files than a commit may have', async () => {
  const before = repository.commit(repository.tree({ a: '1' }))
  const after = repository.commit(repository.tree({ a: '2', b: '2', c: '2' }))
  expect((await history({ treeEntries: 3 }).changedFiles(before, after)).length).toBe(3)
  const refused = history({ treeEntries: 2 }).changedFiles(before, after)
  await expect(refused).rejects.toMatchObject({ code: 'tree_too_large' })
})

test('git is not heard longer than it may speak', async () => {
  const id = repository.blob('x'.repeat(1_000))
  const say = (maxBytes: number) =>
    git({ directory: repository.path, args: ['cat-file', 'blob', id], timeoutMs: 20_000, maxBytes })
  expect((await say(1_000)).stdout.length).toBe(1_000)
  await expect(say(999)).rejects.toMatchObject({ code: 'repository_too_large' })
})
