import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { GitRepository } from '../../../../test/repositories/git-repository.ts'
import { ObjectReader } from './object-reader.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-reader-'))
const repository = new GitRepository(folder)
const reader = new ObjectReader(repository.path, 1_000)
const damaged = { code: 'repository_damaged' }

afterAll(() => {
  reader.close()
  rmSync(folder, { recursive: true })
})

/** The file of one object, in the place of that of another: git's own reader does not hash it and hands it out. */
function swap(id: string, other: string): void {
  const path = (object: string) => join(repository.path, 'objects', object.slice(0, 2), object.slice(2))
  chmodSync(path(id), 0o600)
  copyFileSync(path(other), path(id))
}

test('what is read is what its id says: a file of this machine that was changed is refused', async () => {
  const signed = repository.blob('echo good\n')
  swap(signed, repository.blob('echo evil\n'))
  expect(repository.read('blob', signed).toString()).toBe('echo evil\n')
  await expect(reader.read(signed)).rejects.toMatchObject({ ...damaged, detail: expect.stringContaining(signed) })
  await expect(reader.readAs('blob', signed)).rejects.toMatchObject(damaged)
})

test('what comes after one that was refused is read', async () => {
  const bad = repository.blob('one')
  swap(bad, repository.blob('two'))
  const good = repository.blob('three')
  const [first, second] = await Promise.allSettled([reader.read(bad), reader.read(good)])
  expect(first).toMatchObject({ status: 'rejected', reason: damaged })
  expect(second).toMatchObject({ status: 'fulfilled', value: { id: good, type: 'blob' } })
})

test('an object of another type, and one that is missing', async () => {
  const blob = repository.blob('a')
  await expect(reader.readAs('commit', blob)).rejects.toMatchObject(damaged)
  await expect(reader.readAs('tree', blob)).rejects.toMatchObject(damaged)
  expect(await reader.read('a'.repeat(40))).toBe(undefined)
  await expect(reader.readAs('blob', 'a'.repeat(40))).rejects.toMatchObject(damaged)
})

test('an object that is larger than allowed is not taken in', async () => {
  const limit = repository.blob('x'.repeat(1_000))
  expect((await reader.readAs('blob', limit)).bytes.length).toBe(1_000)
  const over = repository.blob('x'.repeat(1_001))
  await expect(reader.read(over)).rejects.toMatchObject({ code: 'repository_too_large' })
  expect((await reader.readAs('blob', limit)).bytes.length).toBe(1_000)
})

test.each(['HEAD', 'main', '', 'a'.repeat(39), 'A'.repeat(40), `${'a'.repeat(40)}\n${'b'.repeat(40)}`, 'a'.repeat(64)])(
  'git is not asked for %j',
  async text => {
    await expect(reader.read(text)).rejects.toMatchObject({ code: 'commit_unknown' })
  },
)
