import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { postgresAccount } from './account.ts'

let directory: string
let passwd: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writ-account-'))
  passwd = join(directory, 'passwd')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(directory, { recursive: true })
})

const asUid = (uid: number) => vi.spyOn(process as { getuid(): number }, 'getuid').mockReturnValue(uid)

test('root lends the account of nobody', async () => {
  asUid(0)
  await writeFile(passwd, 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/nonexistent:/bin/false\n')
  expect(await postgresAccount(passwd)).toEqual({ uid: 65534, gid: 65533, switched: true })
})

test('root without a nobody is told the way out', async () => {
  asUid(0)
  await writeFile(passwd, 'root:x:0:0:root:/root:/bin/sh\n')
  await expect(postgresAccount(passwd)).rejects.toThrow(/no account "nobody".*DATABASE_URL/)
})

test('a nobody that is root in disguise is not taken', async () => {
  asUid(0)
  await writeFile(passwd, 'nobody:x:0:0::/:/bin/sh\n')
  await expect(postgresAccount(passwd)).rejects.toThrow('DATABASE_URL')
})

test('a user runs it as itself', async () => {
  asUid(1000)
  const account = await postgresAccount(passwd, () => ({ gid: 1001 }) as never)
  expect(account).toEqual({ uid: 1000, gid: 1001, switched: false })
})

test('a uid without a name is told the way out', async () => {
  asUid(1_000_680_000)
  const unknown = () => {
    throw new Error('ENOENT: no such file or directory, uv_os_get_passwd')
  }
  await expect(postgresAccount(passwd, unknown)).rejects.toThrow(/uid 1000680000 has none.*DATABASE_URL/)
})
