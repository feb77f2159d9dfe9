import { readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { startHttpsServer } from '../../../../../test/git-servers/https-server.ts'
import { startSshServer } from '../../../../../test/git-servers/ssh-server.ts'
import { gitmodules, Modules } from '../../../../../test/repositories/modules.ts'
import { Secret } from '../../../../vault/secret.ts'
import { openRepository } from '../repository.ts'

const PASSWORD = 'canary-of-the-password'
const modules = new Modules()
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(() => modules.close())

const credential = { kind: 'password', username: 'bot', password: new Secret(PASSWORD) } as const

async function server(options: Parameters<typeof startHttpsServer>[1] = { account: `bot:${PASSWORD}` }) {
  const started = await startHttpsServer(modules.folder, options)
  closing.push(() => started.close())
  return started
}

const textOf = (entries: Awaited<ReturnType<Modules['unpacked']>>) =>
  Object.fromEntries([...entries].map(([path, { header, content }]) => [path, header.linkname ?? content.toString()]))

test('of the same server by relative addresses, in each other, each commit exactly, and in place', async () => {
  const inner = modules.commit('inner', { 'deep.txt': 'deep' })
  const lib = modules.commit('lib', {
    '.gitmodules': gitmodules({ 'vendor/inner': '../inner.git' }),
    'vendor/inner': ['160000', inner],
    'run.sh': ['100755', 'echo lib\n'],
    'bin/run': ['120000', '../run.sh'],
  })
  // what its branch is at later does not matter
  modules.commit('lib', { 'run.sh': 'echo newer\n' }, 'refs/heads/main', [lib])
  modules.commit('main', {
    '.gitmodules': gitmodules({ 'modules/lib': '../lib.git', gone: 'https://elsewhere.invalid/gone' }),
    'modules/lib': ['160000', lib],
    again: ['120000', 'modules/lib/bin/run'],
    'a.txt': 'main',
  })
  const { url, ca, requests } = await server()
  const entries = await modules.unpacked({ address: `${url}/main.git`, ca, credential })
  expect(textOf(entries)).toEqual({
    '.gitmodules': expect.any(String),
    'a.txt': 'main',
    again: 'modules/lib/bin/run',
    modules: '',
    'modules/lib': '',
    'modules/lib/.gitmodules': expect.any(String),
    'modules/lib/bin': '',
    'modules/lib/bin/run': '../run.sh',
    'modules/lib/run.sh': 'echo lib\n',
    'modules/lib/vendor': '',
    'modules/lib/vendor/inner': '',
    'modules/lib/vendor/inner/deep.txt': 'deep',
  })
  expect(entries.get('modules/lib')?.header.type).toBe('directory')
  expect(entries.get('modules/lib/run.sh')?.header.mode).toBe(0o755)
  const names = [...entries.keys()]
  expect(names.indexOf('modules/lib')).toBeLessThan(names.indexOf('modules/lib/run.sh'))
  expect(requests.every(({ authorization }) => authorization !== undefined)).toBe(true)
})

test('a commit that only a tag names, or nothing at all', async () => {
  const tagged = modules.commit('tagged', { 'a.txt': 'tagged' }, 'refs/tags/v1')
  const unnamed = modules.commit('unnamed', { 'a.txt': 'unnamed' }, null)
  modules.commit('unnamed', { 'a.txt': 'another' })
  modules.commit('main', {
    '.gitmodules': gitmodules({ tagged: '../tagged.git', unnamed: '../unnamed.git' }),
    tagged: ['160000', tagged],
    unnamed: ['160000', unnamed],
  })
  const { url, ca } = await server()
  const entries = await modules.unpacked({ address: `${url}/main.git`, ca, credential })
  expect(textOf(entries)).toMatchObject({ 'tagged/a.txt': 'tagged', 'unnamed/a.txt': 'unnamed' })
})

test('a server that gives only what a branch or tag names is searched for the commit', async () => {
  const first = modules.commit('old', { 'a.txt': 'first' }, null)
  const second = modules.commit('old', { 'a.txt': 'second' }, null, [first])
  modules.commit('old', { 'a.txt': 'third' }, 'refs/heads/release', [second])
  const hidden = modules.commit('old', { 'a.txt': 'hidden' }, null)
  const { url, ca, requests } = await server({
    account: `bot:${PASSWORD}`,
    before(request) {
      // protocol 0, whose servers check what is wanted
      delete request.headers['git-protocol']
      return false
    },
  })
  const unpack = async (commit: string) => {
    modules.commit('main', { '.gitmodules': gitmodules({ old: '../old.git' }), old: ['160000', commit] })
    return textOf(await modules.unpacked({ address: `${url}/main.git`, ca, credential, own: 'searched' }))
  }
  expect(await unpack(second)).toMatchObject({ 'old/a.txt': 'second' })
  expect(await unpack(first)).toMatchObject({ 'old/a.txt': 'first' })
  const before = requests.length
  await expect(unpack(hidden)).rejects.toMatchObject({
    code: 'submodule_commit_missing',
    detail: expect.stringContaining('old: '),
  })
  expect(requests.length).toBeGreaterThan(before)
})

test('what was fetched is not asked for again, also not the same in two places; a damaged copy is made anew', async () => {
  const lib = modules.commit('kept', { 'a.txt': 'x'.repeat(10_000) })
  modules.commit('main', {
    '.gitmodules': gitmodules({ one: '../kept.git', two: '../kept.git' }),
    one: ['160000', lib],
    two: ['160000', lib],
  })
  const { url, ca, requests } = await server()
  const unpack = () => modules.unpacked({ address: `${url}/main.git`, ca, credential, own: 'kept' })
  const asked = () => requests.filter(request => request.url.startsWith('/kept.git')).length
  expect((await unpack()).get('two/a.txt')?.content).toHaveLength(10_000)
  const once = asked()
  expect(once).toBeGreaterThan(0)
  await unpack()
  expect(asked()).toBe(once)
  const [copy = ''] = readdirSync(join(modules.folder, 'kept'))
  const packs = join(modules.folder, 'kept', copy, 'objects', 'pack')
  for (const name of readdirSync(packs)) if (name.endsWith('.pack')) truncateSync(join(packs, name), 40)
  expect((await unpack()).get('one/a.txt')?.content).toHaveLength(10_000)
  expect(asked()).toBeGreaterThan(once)
})

test('what a credential has opened is not there for whoever comes without it', async () => {
  const lib = modules.commit('private', { 'a.txt': 'private' })
  modules.commit('main', { '.gitmodules': gitmodules({ lib: '../private.git' }), lib: ['160000', lib] })
  const { url, ca } = await server({
    account: `bot:${PASSWORD}`,
    before(request) {
      if (request.url?.startsWith('/main.git')) request.headers.authorization = `Basic ${btoa(`bot:${PASSWORD}`)}`
      return false
    },
  })
  const address = `${url}/main.git`
  expect((await modules.unpacked({ address, ca, credential, own: 'private' })).has('lib/a.txt')).toBe(true)
  await expect(modules.unpacked({ address, ca, own: 'private' })).rejects.toMatchObject({ code: 'repository_refused' })
})

test('another server that is listed is asked, without the credential', async () => {
  const elsewhere = await server({})
  const lib = modules.commit('public', { 'a.txt': 'public' })
  const nested = modules.commit('outer', {
    '.gitmodules': gitmodules({ lib: '../public.git' }),
    lib: ['160000', lib],
  })
  modules.commit('main', {
    '.gitmodules': gitmodules({ outer: `${elsewhere.url}/outer.git` }),
    outer: ['160000', nested],
  })
  const { url, ca } = await server()
  const options = { address: `${url}/main.git`, ca: `${ca}${elsewhere.ca}`, credential }
  const entries = await modules.unpacked({ ...options, submoduleHosts: [elsewhere.url] })
  expect(textOf(entries)).toMatchObject({ 'outer/lib/a.txt': 'public' })
  expect(elsewhere.requests.length).toBeGreaterThan(1)
  expect(elsewhere.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([])
  const before = elsewhere.requests.length
  await expect(modules.unpacked(options)).rejects.toMatchObject({ code: 'submodule_host_refused' })
  expect(elsewhere.requests).toHaveLength(before)
})

test('over ssh, with the key and the pinned host of the watch', async () => {
  const sshd = await startSshServer()
  closing.push(() => sshd.close())
  const lib = modules.commit('lib', { 'a.txt': 'by ssh' })
  const main = modules.repository('main')
  modules.commit('main', { '.gitmodules': gitmodules({ lib: '../lib.git' }), lib: ['160000', lib] })
  const key = { kind: 'ssh-key', key: new Secret(sshd.userKey) } as const
  const options = { address: sshd.address(main.path), knownHosts: sshd.knownHosts, credential: key }
  expect(textOf(await modules.unpacked(options))).toMatchObject({ 'lib/a.txt': 'by ssh' })
})

test('what is on them is told before anything is fetched', async () => {
  const lib = 'a'.repeat(40)
  const commit = modules.commit('main', {
    '.gitmodules': gitmodules({ 'x/lib': '../lib.git' }),
    'x/lib': ['160000', lib],
  })
  const address = modules.repository('main').path
  const cacheDirectory = join(modules.folder, 'cache')
  const repository = openRepository({ address, branch: 'main', cacheDirectory, protocols: ['file'] })
  await repository.fetch(await repository.tip())
  expect(await repository.submodulesOf(commit)).toEqual([
    { path: 'x/lib', id: lib, url: `file://${join(modules.folder, 'lib.git')}` },
  ])
  repository.close()
})
