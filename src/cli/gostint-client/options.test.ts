import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Flags } from './flag-table.ts'
import { type Environment, OptionsError, readFiles, readOptions } from './options.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-options-'))
})
afterAll(() => rm(folder, { recursive: true }))

const GOOD: Flags = { url: 'https://server/gostint', 'vault-url': 'https://vault:8200', 'vault-token': 's.token' }

async function problemsOf(flags: Flags, env: Environment = {}): Promise<readonly string[]> {
  const error = await readOptions(flags, env).catch(thrown => thrown)
  expect(error).toBeInstanceOf(OptionsError)
  return error.problems
}

const without = (...names: (keyof Flags)[]): Flags =>
  Object.fromEntries(Object.entries(GOOD).filter(([name]) => !names.includes(name as keyof Flags)))

describe('what is missing or does not go together', () => {
  const BOTH = '-vault-token or -vault-roleid and -vault-secretid, not both'
  test.each<[string, Flags, string]>([
    ['no url', without('url'), '-url is needed'],
    ['an empty url', { ...GOOD, url: '' }, '-url is needed'],
    ['no address', { ...GOOD, url: 'server:3232' }, '-url is not an http(s) address'],
    ['a password', { ...GOOD, url: 'https://me:secret@server' }, '-url must not hold a name or a password'],
    ['no Vault', without('vault-url'), '-vault-url (or VAULT_ADDR) is needed'],
    ['no credentials', without('vault-token'), '-vault-token, or -vault-roleid and -vault-secretid, is needed'],
    ['roleid alone', { ...without('vault-token'), 'vault-roleid': 'r' }, '-vault-roleid needs -vault-secretid'],
    ['secretid alone', { ...without('vault-token'), 'vault-secretid': 's' }, '-vault-secretid needs -vault-roleid'],
    ['token and roleid', { ...GOOD, 'vault-roleid': 'r', 'vault-secretid': 's' }, BOTH],
    ['token and secretid', { ...GOOD, 'vault-secretid': 's' }, BOTH],
    ['a policy', { ...GOOD, 'image-pull-policy': 'Never' }, '-image-pull-policy is either IfNotPresent or Always'],
    ['an empty policy', { ...GOOD, 'image-pull-policy': '' }, '-image-pull-policy is either IfNotPresent or Always'],
  ])('%s', async (_what, flags, problem) => {
    expect(await problemsOf(flags)).toEqual([problem])
  })

  test('everything at once', async () => {
    expect(await problemsOf({})).toHaveLength(3)
  })
})

describe('what comes out', () => {
  test('the defaults', async () => {
    const options = await readOptions(GOOD, {})
    expect(options).toMatchObject({
      server: { url: 'https://server/gostint', ca: undefined, verify: true },
      vault: { address: 'https://vault:8200', ca: undefined, namespace: undefined, serverName: undefined },
      jobRole: 'gostint-role',
      pollMs: 1000,
      wait: true,
      debug: false,
    })
  })

  test('VAULT_ADDR stands in for -vault-url, and -vault-url wins', async () => {
    const env = { VAULT_ADDR: 'http://environment:8200' }
    for (const flags of [without('vault-url'), { ...GOOD, 'vault-url': '' }]) {
      expect((await readOptions(flags, env)).vault.address).toBe('http://environment:8200')
    }
    expect((await readOptions(GOOD, env)).vault.address).toBe('https://vault:8200')
  })

  test('secrets are Secrets', async () => {
    const byToken = await readOptions(GOOD, {})
    const flags = { ...without('vault-token'), 'vault-roleid': 'role', 'vault-secretid': 's.token' }
    const byRole = await readOptions(flags, {})
    expect(JSON.stringify([byToken, byRole])).not.toContain('s.token')
    expect(byToken.credentials).toMatchObject({ kind: 'token' })
    expect(byRole.credentials).toMatchObject({ kind: 'approle', roleId: 'role' })
  })

  test('an interval of nothing is no flood', async () => {
    expect((await readOptions({ ...GOOD, 'poll-interval': 0 }, {})).pollMs).toBe(100)
    expect((await readOptions({ ...GOOD, 'poll-interval': 30 }, {})).pollMs).toBe(30_000)
  })

  test('only 1 turns the verification off', async () => {
    for (const text of ['', '0', 'false', 'true', 'yes']) {
      expect((await readOptions(GOOD, { GOSTINT_SKIP_VERIFY: text })).server.verify).toBe(true)
    }
    expect((await readOptions(GOOD, { GOSTINT_SKIP_VERIFY: '1' })).server.verify).toBe(false)
  })

  test('authorities are files named in the environment', async () => {
    const path = join(folder, 'ca.pem')
    await writeFile(path, 'PEM')
    const options = await readOptions(GOOD, { WRIT_CACERT: path, VAULT_CACERT: path })
    expect([options.server.ca, options.vault.ca]).toEqual(['PEM', 'PEM'])
    for (const name of ['WRIT_CACERT', 'VAULT_CACERT']) {
      const [problem] = await problemsOf(GOOD, { [name]: join(folder, 'none.pem') })
      expect(problem).toMatch(new RegExp(`^${name} names .*none.pem, which cannot be read \\(ENOENT\\)$`))
    }
  })
})

describe('@file', () => {
  const FILE_FLAGS = ['vault-token', 'vault-roleid', 'vault-secretid', 'gostint-approle', 'job-json'] as const

  test.each(FILE_FLAGS)('-%s: the content, trimmed', async name => {
    const path = join(folder, name)
    await writeFile(path, ' \n s.from a file\n\n')
    expect(await readFiles({ [name]: `@${path}` })).toEqual({ [name]: 's.from a file' })
  })

  test('other flags take an @ as it is', async () => {
    expect(await readFiles({ image: '@x', run: '@y' })).toEqual({ image: '@x', run: '@y' })
  })

  test('a file that is not there: which flag, and not what stood there', async () => {
    const error = await readFiles({ 'vault-token': '@s.token' }).catch(thrown => thrown)
    expect(error.message).toBe('-vault-token: the file after @ cannot be read (ENOENT)')
  })

  test('an empty file is no token', async () => {
    const path = join(folder, 'empty')
    await writeFile(path, '\n')
    const flags = await readFiles({ ...GOOD, 'vault-token': `@${path}` })
    expect(await problemsOf(flags)).toEqual(['-vault-token, or -vault-roleid and -vault-secretid, is needed'])
  })
})
