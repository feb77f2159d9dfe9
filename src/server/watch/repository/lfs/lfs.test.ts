import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, expect, test } from 'vitest'
import { startHttpsServer } from '../../../../../test/git-servers/https-server.ts'
import { type LfsOptions, LfsServer, pointerOf } from '../../../../../test/git-servers/lfs-server.ts'
import { gitmodules, Modules } from '../../../../../test/repositories/modules.ts'
import { Secret } from '../../../../vault/secret.ts'
import { parseAddress } from '../address.ts'
import { DEFAULT_LIMITS, type RepositoryOptions } from '../options.ts'
import { endpointOf } from './endpoint.ts'
import { LfsHttp } from './http.ts'
import { Lfs } from './lfs.ts'
import { pointerIn } from './pointer.ts'

const ACCOUNT = 'bot:canary-of-the-password'
const credential = { kind: 'password', username: 'bot', password: new Secret(ACCOUNT.slice(4)) } as const
const modules = new Modules()
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(() => modules.close())

/** git and LFS behind one address; another one for contents is `elsewhere`. */
async function server(options: Partial<LfsOptions> = {}) {
  let url = ''
  const lfs = new LfsServer({ account: ACCOUNT, url: () => url, ...options })
  const started = await startHttpsServer(modules.folder, { account: ACCOUNT, before: lfs.handle })
  closing.push(() => started.close())
  url = started.url
  return { ...started, lfs }
}

const both = { submodules: 'fetch', lfs: 'fetch' } as const

test('what the real git lfs has pushed', async () => {
  const { url, ca, lfs } = await server()
  const desk = mkdtempSync(join(modules.folder, 'desk-'))
  const big = randomBytes(3_000_000)
  // not synchronously: the server is in this process
  const git = async (...args: string[]) => {
    const env = {
      PATH: process.env.PATH,
      HOME: desk,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_SSL_CAINFO: join(desk, 'ca.pem'),
      GIT_TERMINAL_PROMPT: '0',
    }
    return (await promisify(execFile)('git', ['-C', desk, ...args], { env, timeout: 20_000 })).stdout
  }
  writeFileSync(join(desk, 'ca.pem'), ca)
  modules.repository('pushed').git(['config', 'http.receivepack', 'true'])
  await git('init', '-q', '-b', 'main')
  for (const [name, value] of Object.entries({ 'user.name': 'a', 'user.email': 'a@b', 'lfs.locksverify': 'false' }))
    await git('config', name, value)
  await git('lfs', 'install', '--local')
  await git('lfs', 'track', '*.bin')
  writeFileSync(join(desk, 'big.bin'), big)
  writeFileSync(join(desk, 'empty.bin'), '')
  writeFileSync(join(desk, 'small.txt'), 'small')
  await git('add', '.gitattributes', 'big.bin', 'empty.bin', 'small.txt')
  await git('commit', '-qm', 'x')
  await git('lfs', 'push', '--all', `${url.replace('//', `//${ACCOUNT}@`)}/pushed.git`)
  await git('push', '-q', '--no-verify', modules.repository('pushed').path, 'main')
  expect(await git('cat-file', '-p', 'HEAD:big.bin')).toContain('oid sha256:')
  expect([...lfs.contents.values()]).toEqual([big])
  const watch = { address: `${url}/pushed.git`, ca, credential }
  const entries = await modules.unpacked(watch, { lfs: 'fetch' })
  expect(entries.get('big.bin')?.content.equals(big)).toBe(true)
  expect(entries.get('big.bin')?.header.mode).toBe(0o644)
  expect(entries.get('empty.bin')?.content).toHaveLength(0)
  expect(entries.get('small.txt')?.content.toString()).toBe('small')
  expect((await modules.unpacked(watch, {})).get('big.bin')?.content.toString()).toContain('oid sha256:')
})

test('of submodules too, and not asked for again; modes stay; the same content in two places', async () => {
  const { url, ca, lfs, requests } = await server()
  const lib = modules.commit('lib', { 'x.bin': lfs.keep('of the library') })
  const pointer = lfs.keep('of the commit')
  modules.commit('main', {
    '.gitmodules': gitmodules({ lib: '../lib.git' }),
    '.lfsconfig': '[lfs]\n\turl = https://elsewhere.invalid/x\n',
    lib: ['160000', lib],
    'run.sh': ['100755', pointer],
    'again.sh': pointer,
    'nothing.bin': lfs.keep(''),
  })
  const watch = { address: `${url}/main.git`, ca, credential, own: 'kept' }
  const entries = await modules.unpacked(watch, both)
  const text = (name: string) => entries.get(name)?.content.toString()
  expect([text('run.sh'), text('again.sh'), text('lib/x.bin'), text('nothing.bin')]).toEqual([
    'of the commit',
    'of the commit',
    'of the library',
    '',
  ])
  expect(entries.get('run.sh')?.header.mode).toBe(0o755)
  const asked = () => requests.filter(request => /lfs/.test(request.url)).map(request => request.url)
  expect(asked().filter(path => path.includes('batch'))).toHaveLength(2)
  expect(asked().filter(path => path.includes('contents'))).toHaveLength(3)
  await modules.unpacked(watch, both)
  expect(asked()).toHaveLength(5)
})

test('what was kept and is not that any more is not given out, and fetched anew', async () => {
  const { url, ca, lfs } = await server()
  modules.commit('main', { 'x.bin': lfs.keep('right') })
  const watch = { address: `${url}/main.git`, ca, credential, own: 'spoilt' }
  const unpack = () => modules.unpacked(watch, both)
  await unpack()
  const folder = join(modules.folder, 'spoilt')
  const [store = ''] = readdirSync(folder).filter(name => name.endsWith('.lfs'))
  const [file = ''] = readdirSync(join(folder, store))
  writeFileSync(join(folder, store, file), 'evil!')
  await expect(unpack()).rejects.toMatchObject({ code: 'repository_damaged' })
  expect((await unpack()).get('x.bin')?.content.toString()).toBe('right')
  expect(readFileSync(join(folder, store, file), 'utf8')).toBe('right')
})

test('a content on another server gets the headers that are named for it, and no credential', async () => {
  const elsewhere = await startHttpsServer(modules.folder, {
    before: (_, response) => {
      response.end('far')
      return true
    },
  })
  closing.push(() => elsewhere.close())
  const { url, ca, lfs } = await server({
    say: object => {
      const header = { 'X-Token': 'of that server', Authorization: 'Bearer of that server' }
      return { ...object, actions: { download: { href: `${elsewhere.url}/far?signature=x`, header } } }
    },
  })
  modules.commit('main', { 'x.bin': lfs.keep('far') })
  const entries = await modules.unpacked({ address: `${url}/main.git`, ca: `${ca}${elsewhere.ca}`, credential }, both)
  expect(entries.get('x.bin')?.content.toString()).toBe('far')
  expect(elsewhere.requests).toHaveLength(1)
  expect(elsewhere.requests[0]).toMatchObject({ url: '/far?signature=x', authorization: 'Bearer of that server' })
  expect(elsewhere.requests[0]?.headers).toContain('"x-token":"of that server"')
  expect(elsewhere.requests[0]?.headers).not.toMatch(/canary|Y2FuYXJ5|Basic/)
})

test('many contents, in several requests', async () => {
  const { url, ca, lfs, requests } = await server()
  const files = Array.from({ length: 130 }, (_, at) => [`${at}.bin`, lfs.keep(`content ${at}`)] as const)
  modules.commit('main', Object.fromEntries(files))
  const entries = await modules.unpacked({ address: `${url}/main.git`, ca, credential }, both)
  for (const [name] of files) expect(entries.get(name)?.content.toString()).toBe(`content ${Number.parseInt(name, 10)}`)
  expect(requests.filter(request => request.url.endsWith('/objects/batch'))).toHaveLength(2)
})

test('another watch does not find what this one has fetched', async () => {
  const { url, ca, lfs } = await server()
  modules.commit('main', { 'x.bin': lfs.keep('private') })
  const address = `${url}/main.git`
  await modules.unpacked({ address, ca, credential, own: 'first' }, both)
  lfs.contents.clear()
  await modules.unpacked({ address, ca, credential, own: 'first' }, both)
  await expect(modules.unpacked({ address, ca, credential, own: 'second' }, both)).rejects.toMatchObject({
    code: 'lfs_missing',
  })
})

test('a watch that has lost its credential does not find what was fetched with it', async () => {
  const { url, ca, lfs } = await server()
  const pointer = pointerIn(Buffer.from(lfs.keep('private')))
  const address = parseAddress(`${url}/main.git`)
  const ownDirectory = join(modules.folder, 'changed')
  const bring = async (options: Partial<RepositoryOptions>) =>
    await new Lfs(
      address,
      { address: address.url, branch: 'main', cacheDirectory: ownDirectory, ca, ownDirectory, ...options },
      DEFAULT_LIMITS,
    ).bring(address, pointer ? [pointer] : [], AbortSignal.timeout(20_000))
  await bring({ credential })
  lfs.contents.clear()
  await bring({ credential })
  await expect(bring({})).rejects.toMatchObject({ code: 'lfs_refused' })
})

test('through the proxy of the watch, or not at all', async () => {
  const { url, port, ca, lfs } = await server()
  const asked: (string | undefined)[] = []
  const proxy = createServer((_, response) => response.writeHead(405).end()).on('connect', (request, socket) => {
    asked.push(request.url)
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    for (const end of [onward, socket]) end.on('error', () => undefined)
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  closing.push(async () => proxy.close())
  const { port: at } = proxy.address() as AddressInfo
  modules.commit('main', { 'x.bin': lfs.keep('by a proxy') })
  const watch = { address: `${url}/main.git`, ca, credential, proxy: new Secret(`http://127.0.0.1:${at}`) }
  await modules.unpacked(watch, {})
  const before = asked.length
  const entries = await modules.unpacked(watch, both)
  expect(entries.get('x.bin')?.content.toString()).toBe('by a proxy')
  expect(asked.length).toBeGreaterThan(before + 1)
  expect(new Set(asked)).toEqual(new Set([`127.0.0.1:${port}`]))
  expect(() => new LfsHttp({ proxy: new Secret('socks5://127.0.0.1:1') })).toThrow(
    expect.objectContaining({ code: 'lfs_unsupported' }),
  )
})

test('a submodule on another server: LFS of that server, without the credential', async () => {
  let url = ''
  const lfs = new LfsServer({ url: () => url })
  const elsewhere = await startHttpsServer(modules.folder, { before: lfs.handle })
  closing.push(() => elsewhere.close())
  url = elsewhere.url
  const far = modules.commit('far', { 'x.bin': lfs.keep('far away') })
  modules.commit('main', { '.gitmodules': gitmodules({ far: `${url}/far.git` }), far: ['160000', far] })
  const own = await server()
  const watch = { address: `${own.url}/main.git`, ca: `${own.ca}${elsewhere.ca}`, credential, submoduleHosts: [url] }
  const entries = await modules.unpacked(watch, both)
  expect(entries.get('far/x.bin')?.content.toString()).toBe('far away')
  expect(elsewhere.requests.some(request => request.url.endsWith('/objects/batch'))).toBe(true)
  expect(elsewhere.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([])
  expect(own.requests.filter(request => request.url.includes('lfs'))).toEqual([])
})

test('a repository of a path, or one that is read by ssh, has no server of LFS', async () => {
  modules.commit('main', { 'x.bin': pointerOf('a'.repeat(64), 5) })
  const watch = { address: modules.repository('main').path, protocols: ['file'] as const }
  await expect(modules.unpacked(watch, both)).rejects.toMatchObject({ code: 'lfs_unsupported' })
  await expect(modules.unpacked(watch, {})).resolves.toBeDefined()
  for (const address of ['git@host:main.git', 'ssh://git@host/main.git'])
    expect(() => endpointOf(parseAddress(address), undefined)).toThrow(
      expect.objectContaining({ code: 'lfs_unsupported' }),
    )
})
