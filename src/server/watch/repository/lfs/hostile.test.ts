import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHttpsServer } from '../../../../../test/git-servers/https-server.ts'
import { LfsServer } from '../../../../../test/git-servers/lfs-server.ts'
import { CONTENT, HOSTILE_LFS } from '../../../../../test/repositories/hostile-lfs.ts'
import { Modules } from '../../../../../test/repositories/modules.ts'
import { WritError } from '../../../../protocol/errors.ts'
import { Secret } from '../../../../vault/secret.ts'

const PASSWORD = 'canary-of-the-password'
const credential = { kind: 'password', username: 'bot', password: new Secret(PASSWORD) } as const
const LIMITS = { treeBytes: 5_000_000, fetchMs: 60_000 }

let elsewhere: Awaited<ReturnType<typeof startHttpsServer>>
/** Its certificate is not among those that are trusted. */
let stranger: Awaited<ReturnType<typeof startHttpsServer>>
beforeAll(async () => {
  elsewhere = await startHttpsServer('/nonexistent', { account: 'nobody:knows' })
  stranger = await startHttpsServer('/nonexistent')
})
afterAll(async () => {
  await elsewhere.close()
  await stranger.close()
})

test('each has a name of its own', () => {
  expect(new Set(HOSTILE_LFS.map(({ name }) => name)).size).toBe(HOSTILE_LFS.length)
})

test.concurrent.each(HOSTILE_LFS)('$name', async ({ code, files, server, api, limits, silent }) => {
  const modules = new Modules()
  let url = ''
  const { say, give } = server?.(elsewhere.url) ?? {}
  const lfs = new LfsServer({
    account: `bot:${PASSWORD}`,
    url: () => url,
    ...(say
      ? { say: object => JSON.parse(JSON.stringify(say(object)).replace('https://stranger', stranger.url)) }
      : {}),
    ...(give ? { give } : {}),
  })
  const own = await startHttpsServer(modules.folder, {
    account: `bot:${PASSWORD}`,
    before: (request, response) =>
      (request.url?.includes('/info/lfs/') && api?.(request, response, elsewhere.url)) || lfs.handle(request, response),
  })
  url = own.url
  try {
    const pointer = lfs.keep(CONTENT)
    modules.commit('main', files ?? { 'x.bin': pointer })
    const ca = `${own.ca}${elsewhere.ca}`
    const options = { address: `${url}/main.git`, ca, credential, limits: { ...LIMITS, ...limits }, own: 'own' }
    const error = await modules.unpacked(options, { lfs: 'fetch' }).then(
      () => 'accepted',
      (refusal: unknown) => refusal,
    )
    expect(error).toBeInstanceOf(WritError)
    expect([code].flat(), String(error)).toContain((error as WritError).code)
    expect(String(error)).not.toContain('canary')
    expect(String(error)).not.toMatch(/https?:\/\//)
    const heard = elsewhere.requests.filter(({ url }) => !url.startsWith('/closed/'))
    expect(heard).toEqual([])
    for (const request of elsewhere.requests) expect(request.authorization).toBeUndefined()
    expect(stranger.requests).toEqual([])
    if (silent) expect(own.requests.filter(request => request.url.includes('lfs'))).toEqual([])
    // nothing that was not right is kept
    const kept = readdirSync(modules.folder).includes('own') ? readdirSync(join(modules.folder, 'own')) : []
    for (const store of kept) expect(readdirSync(join(modules.folder, 'own', store))).toEqual([])
  } finally {
    await own.close()
    modules.close()
  }
})
