import { existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { GitRepository } from '../../../../test/repositories/git-repository.ts'
import { HOSTILE_REPOSITORIES } from '../../../../test/repositories/hostile-repositories.ts'
import { World } from '../../../../test/repositories/world.ts'
import { WritError } from '../../../protocol/errors.ts'
import { checkQuorum } from '../signatures/quorum.ts'
import { openRepository } from './repository.ts'

const world = new World()
const folder = mkdtempSync(join(tmpdir(), 'writ-hostile-'))
const limits = { objectBytes: 2_000_000, treeBytes: 5_000_000, treeEntries: 5_000 }

afterAll(async () => {
  world.close()
  await rm(folder, { recursive: true })
})

test('each has a name of its own', () => {
  expect(new Set(HOSTILE_REPOSITORIES.map(({ name }) => name)).size).toBe(HOSTILE_REPOSITORIES.length)
})

test.each(HOSTILE_REPOSITORIES.map((one, at) => ({ ...one, at })))('$name', async ({ make, code, at }) => {
  const parent = join(folder, String(at))
  mkdirSync(parent)
  const repository = new GitRepository(parent)
  const watch = make(repository, world) ?? {}
  const { address = repository.path, branch = 'main', last, required = 0, spoil } = watch
  const cacheDirectory = join(parent, 'cache')
  const run = async () => {
    const opened = openRepository({ address, branch, protocols: ['file'], cacheDirectory, limits })
    try {
      const { object } = await opened.fetch(await opened.tip())
      spoil?.(join(cacheDirectory, readdirSync(cacheDirectory)[0] as string))
      const commit = await opened.commitOf(object)
      if (last !== undefined && !(await opened.isFastForward(last, commit)))
        throw new WritError('commit_not_descendant')
      const accepted = await checkQuorum(await opened.evidence(object), world.trust('ann'), required, new Date())
      await buffer(opened.tarOf(await opened.filesOf(accepted)))
    } finally {
      opened.close()
    }
  }
  const error = await run().then(
    () => 'accepted',
    (refusal: unknown) => refusal,
  )
  expect(error).toBeInstanceOf(WritError)
  expect([code].flat()).toContain((error as WritError).code)
  expect(existsSync('hit') || existsSync(join(cacheDirectory, 'hit'))).toBe(false)
})
