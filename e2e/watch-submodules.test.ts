import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHttpsServer } from '../test/git-servers/https-server.ts'
import { LfsServer } from '../test/git-servers/lfs-server.ts'
import { gitmodules, Modules } from '../test/repositories/modules.ts'
import { Terminal } from './command.ts'
import { type ServerProcess, until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

let w: Watched
let server: ServerProcess
let api: WatchApi
let web: Awaited<ReturnType<typeof startHttpsServer>>
let elsewhere: Awaited<ReturnType<typeof startHttpsServer>>
let away = true
/** What it gives in the place of a content. */
let lie: string | null = null
const lfs: LfsServer = new LfsServer({
  url: () => web.url,
  account: 'bot:secret',
  give(_, __, response) {
    if (lie !== null) response.end(lie)
    return lie !== null
  },
})
const modules = new Modules()
beforeAll(async () => {
  w = await startWatched()
  server = await w.startServer()
  api = new WatchApi(() => server.address, w.stack.root.reveal())
  web = await startHttpsServer(modules.folder, { account: 'bot:secret', before: lfs.handle })
  elsewhere = await startHttpsServer(modules.folder, {
    before(_, response) {
      if (away) response.writeHead(503).end()
      return away
    },
  })
})
afterAll(async () => {
  await elsewhere?.close()
  await web?.close()
  modules.close()
  await w?.close()
})

async function mount(name: string, repository: string, options: object, commands: readonly string[]): Promise<void> {
  await api.write(`sys/mounts/${name}`, { type: 'flant_gitops' })
  await api.write(`${name}/configure/git_credential`, { username: 'bot', password: 'secret' })
  await api.write(`${name}/configure/options`, { git_ca: `${web.ca}${elsewhere.ca}`, max_attempts: 1, ...options })
  await api.write(`${name}/configure`, {
    git_repo_url: `${web.url}/${repository}.git`,
    git_poll_period: '1s',
    docker_image: w.image,
    commands,
  })
}

test('files of submodules are in their places; the plan says before what will be fetched', async () => {
  const inner = modules.commit('inner', { 'deep.txt': 'deep\n' })
  const lib = modules.commit('lib', {
    '.gitmodules': gitmodules({ inner: '../inner.git' }),
    inner: ['160000', inner],
    'say.sh': ['100755', 'echo said\n'],
  })
  const commit = modules.commit('main', {
    '.gitmodules': gitmodules({ 'vendor/lib': '../lib.git' }),
    'vendor/lib': ['160000', lib],
  })
  await mount('placed', 'main', { submodules: 'fetch' }, [
    'sh vendor/lib/say.sh',
    'cat vendor/lib/inner/deep.txt',
    'find . -name ".git"',
  ])
  const plan = await api.read('placed/plan')
  expect(plan.fetches).toEqual({
    submodules: [{ path: 'vendor/lib', url: `${web.url}/lib.git`, id: lib }],
    lfs: null,
    refused: '',
  })
  const task = await api.ended('placed', commit)
  expect(task).toMatchObject({ status: 'SUCCEEDED', log: expect.stringMatching(/said\ndeep\n$/) })
  expect((await api.read('placed/configure/options')).submodules).toBe('fetch')
})

test('a server of submodules that is away is waited for, and that is no attempt', async () => {
  const lib = modules.commit('far', { 'a.txt': 'from afar\n' })
  const commit = modules.commit('waiting', {
    '.gitmodules': gitmodules({ far: `${elsewhere.url}/far.git` }),
    far: ['160000', lib],
  })
  const options = { submodules: 'fetch', submodule_hosts: `unused.example, ${elsewhere.url}/` }
  await mount('waiting', 'waiting', options, ['cat far/a.txt'])
  expect((await api.read('waiting/configure/options')).submodule_hosts).toEqual([
    'https://unused.example',
    elsewhere.url,
  ])
  expect(await api.ended('waiting', commit)).toMatchObject({
    status: 'FAILED',
    reason: expect.stringContaining('far: '),
  })
  expect(await api.read('waiting/status')).toMatchObject({ state: 'watching', reason_code: 'repository_unreachable' })
  away = false
  await until(async () => (await api.read('waiting/status')).last_successful_commit === commit, 60_000)
})

test('what is refused does not run, is given up with an alarm, and the plan has said so', async () => {
  const commit = modules.commit('refused', {
    '.gitmodules': gitmodules({ far: `${elsewhere.url}/far.git` }),
    far: ['160000', 'a'.repeat(40)],
  })
  const before = elsewhere.requests.length
  await mount('refused', 'refused', { submodules: 'fetch' }, ['echo never'])
  expect((await api.read('refused/plan')).fetches.refused).toContain('submodule_host_refused')
  const task = await api.ended('refused', commit)
  expect(task.log).not.toContain('never\n')
  expect(await api.read('refused/status')).toMatchObject({ state: 'given_up', reason_code: 'submodule_host_refused' })
  const alarm = await w.stack.db.selectFrom('audit').select('entry').where('job_id', '=', task.job_id).execute()
  expect(alarm.map(row => JSON.parse(row.entry).action)).toContain('watch.given_up')
  expect(elsewhere.requests).toHaveLength(before)
  // somebody says that it may be asked, and the commit is tried again: the id is not there
  await api.write('refused/configure/options', { submodule_hosts: [elsewhere.url] })
  await until(async () => (await api.read('refused/status')).reason_code === 'submodule_commit_missing', 40_000)
})

test('docs/watch.md: the commands about submodules work', async () => {
  const blocks = readFileSync('docs/watch.md', 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)
  const script = [...blocks].map(([, block = '']) => block).find(block => block.includes('--submodules')) ?? ''
  const lib = modules.commit('documented', { 'run.sh': 'echo documented\n' })
  const commit = modules.commit('docs', {
    '.gitmodules': gitmodules({ lib: '../documented.git' }),
    lib: ['160000', lib],
  })
  const terminal = await Terminal.open({ WRIT_ADDR: server.address, VAULT_TOKEN: w.stack.root.reveal() })
  const repository = modules.repository('docs').path
  const { code, stdout, stderr } = await terminal.shell(
    `export REPOSITORY='${repository}' IMAGE='${w.image}'\n${script}`,
  )
  expect(code, stderr).toBe(0)
  expect(stdout).toContain(`submodules  lib  ${lib}`)
  expect(await api.ended('modules', commit)).toMatchObject({
    status: 'SUCCEEDED',
    log: expect.stringContaining('echo documented'),
  })
})

test('contents of git-lfs are in the places of their pointers; of a server that lies nothing runs, and there is an alarm', async () => {
  const pointer = lfs.keep('echo large\n')
  const lib = modules.commit('lib', { 'y.bin': lfs.keep('of the library\n') })
  const commit = modules.commit('large', {
    '.gitmodules': gitmodules({ lib: '../lib.git' }),
    lib: ['160000', lib],
    'run.sh': ['100755', pointer],
  })
  const commands = ['sh run.sh', 'cat lib/y.bin', 'find /git -user 2001 -perm -755 -name run.sh']
  await mount('large', 'large', { submodules: 'fetch', lfs: 'fetch' }, commands)
  expect((await api.read('large/plan')).fetches).toMatchObject({ lfs: { files: 1, bytes: 11 }, refused: '' })
  expect(await api.ended('large', commit)).toMatchObject({
    status: 'SUCCEEDED',
    log: expect.stringMatching(/large\nof the library\n\/git\/run.sh\n$/),
  })
  // another one, since what was right is kept
  const next = modules.commit('large', { 'run.sh': lfs.keep('echo right\n') }, 'refs/heads/main', [commit])
  lie = 'echo wrong\n'
  const task = await api.ended('large', next)
  lie = null
  expect(task.log).not.toContain('wrong\n')
  expect(await api.read('large/status')).toMatchObject({ state: 'given_up', reason_code: 'lfs_content_wrong' })
  const alarm = await w.stack.db.selectFrom('audit').select('entry').where('job_id', '=', task.job_id).execute()
  expect(alarm.map(row => JSON.parse(row.entry).action)).toContain('watch.given_up')
})

test('options that are none are refused', async () => {
  await api.write('sys/mounts/options', { type: 'flant_gitops' })
  for (const wrong of [
    { submodules: 'all' },
    { lfs: 'yes' },
    { submodule_hosts: 'ssh://git@host' },
    { submodule_hosts: 'git@host:x' },
    { submodule_hosts: 'https://host/path' },
    { submodule_hosts: 'https://user:canary@host' },
    { submodule_hosts: '*' },
    { submodule_hosts: 'file:///etc' },
  ]) {
    const { status, body } = await api.send('PUT', 'options/configure/options', wrong)
    expect([status, body.code]).toEqual([400, 'watch_field_invalid'])
    expect(JSON.stringify(body)).not.toContain('canary')
  }
  await api.write('options/configure/options', { submodules: '', submodule_hosts: 'Host:443' })
  expect(await api.read('options/configure/options')).toMatchObject({
    submodules: 'refuse',
    submodule_hosts: ['https://host'],
  })
})
