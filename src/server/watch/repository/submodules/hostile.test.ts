import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHttpsServer } from '../../../../../test/git-servers/https-server.ts'
import { HOSTILE_SUBMODULES } from '../../../../../test/repositories/hostile-submodules.ts'
import { Modules } from '../../../../../test/repositories/modules.ts'
import { WritError } from '../../../../protocol/errors.ts'
import { Secret } from '../../../../vault/secret.ts'

const PASSWORD = 'canary-of-the-password'
const credential = { kind: 'password', username: 'bot', password: new Secret(PASSWORD) } as const
const LIMITS = { objectBytes: 2_000_000, treeBytes: 5_000_000, treeEntries: 5_000, fetchMs: 60_000 }

let elsewhere: Awaited<ReturnType<typeof startHttpsServer>>
beforeAll(async () => {
  elsewhere = await startHttpsServer('/nonexistent', { account: 'nobody:knows' })
})
afterAll(() => elsewhere.close())

test('each has a name of its own', () => {
  expect(new Set(HOSTILE_SUBMODULES.map(({ name }) => name)).size).toBe(HOSTILE_SUBMODULES.length)
})

test.concurrent.each(HOSTILE_SUBMODULES)('$name', async ({ make, code }) => {
  const modules = new Modules()
  let before: ReturnType<typeof make>
  const own = await startHttpsServer(modules.folder, {
    account: `bot:${PASSWORD}`,
    before: (request, response) => before?.before?.(request, response) ?? false,
  })
  try {
    before = make(modules, { own: own.url, elsewhere: elsewhere.url })
    const { before: _, limits, ...more } = before ?? {}
    const ca = `${own.ca}${elsewhere.ca}`
    const address = `${own.url}/main.git`
    const error = await modules.unpacked({ address, ca, credential, limits: { ...LIMITS, ...limits }, ...more }).then(
      () => 'accepted',
      (refusal: unknown) => refusal,
    )
    expect(error).toBeInstanceOf(WritError)
    expect([code].flat(), String(error)).toContain((error as WritError).code)
    expect(String(error)).not.toContain(PASSWORD)
    if (!more.submoduleHosts) expect(elsewhere.requests.filter(({ url }) => !url.startsWith('/closed/'))).toEqual([])
    expect(elsewhere.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([])
    expect(existsSync('hit')).toBe(false)
  } finally {
    await own.close()
    modules.close()
  }
})
