import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { searchDatabase } from '../demo/database-search.ts'
import { startHttpsServer } from '../test/git-servers/https-server.ts'
import { LfsServer } from '../test/git-servers/lfs-server.ts'
import { startSshServer } from '../test/git-servers/ssh-server.ts'
import { everyProcess } from '../test/processes.ts'
import { GitRepository } from '../test/repositories/git-repository.ts'
import { gitmodules, Modules } from '../test/repositories/modules.ts'
import { askEngine } from './engine.ts'
import { type ServerProcess, until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

const canary = () => `canary-${randomBytes(16).toString('hex')}`
const [PASSWORD, HOOK, OPTION] = [canary(), canary(), canary()]

let w: Watched
let server: ServerProcess
let api: WatchApi
let sshd: Awaited<ReturnType<typeof startSshServer>>
let web: Awaited<ReturnType<typeof startHttpsServer>>
/** Another server, that has a submodule, and is to hear of nothing else. */
let elsewhere: Awaited<ReturnType<typeof startHttpsServer>>
const modules = new Modules()
/** Asked with the password; what it names is on the other server. */
const lfs: LfsServer = new LfsServer({
  url: () => web.url,
  account: `bot:${PASSWORD}`,
  say: object => ({ ...object, actions: { download: { href: `${elsewhere.url}/lfs-contents/${object.oid}` } } }),
})
const contents = new LfsServer({ url: () => elsewhere.url })
/** argv and environments, read whenever the git server is asked. */
const processes: string[] = []
beforeAll(async () => {
  w = await startWatched()
  server = await w.startServer({ WRIT_LOG_LEVEL: 'trace' })
  api = new WatchApi(() => server.address, w.stack.root.reveal())
  sshd = await startSshServer()
  elsewhere = await startHttpsServer(modules.folder, { before: contents.handle })
  web = await startHttpsServer(dirname(w.world.repository.path), {
    account: `bot:${PASSWORD}`,
    before: (request, response) => {
      processes.push(...everyProcess('git'))
      return lfs.handle(request, response)
    },
  })
})
afterAll(async () => {
  await elsewhere?.close()
  modules.close()
  await web?.close()
  await sshd?.close()
  await w?.close()
})

/** What would give it away, in the forms in which it travels. */
const traces = (secret: string): string[] =>
  [secret, Buffer.from(secret), Buffer.from(`bot:${secret}`)]
    .map(form => (typeof form === 'string' ? form : form.toString('base64').replace(/=+$/, '').slice(0, -1)))
    .filter(form => form.length > 16)

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(name => join(folder, String(name)))
    .filter(path => statSync(path).isFile())
}

test('credentials of git and Vault, secrets of webhooks and wrapped tokens are nowhere but where they belong', async () => {
  const { repository } = w.world
  const lib = new GitRepository(dirname(repository.path), 'lib.git')
  const own = lib.commit(lib.tree({ data: 'own\n' }))
  lib.ref('refs/heads/main', own)
  contents.keep('a content\n')
  const urls = gitmodules({ own: '../lib.git', public: `${elsewhere.url}/public.git` })
  const tree = repository.mktree([
    ['100644', repository.blob(urls), '.gitmodules'],
    ['100644', repository.blob(lfs.keep('a content\n')), 'large'],
    ['160000', own, 'own'],
    ['160000', modules.commit('public', { data: 'public\n' }), 'public'],
  ])
  const commit = repository.commit(tree)
  repository.ref('refs/heads/canary', commit)
  const { vault, root } = w.stack
  const call = async (path: string, body: object = {}) =>
    (await vault.send({ method: 'POST', path, token: root, body }))?.data ?? {}
  await call('sys/policies/acl/canary', {
    policy: ['auth/approle/role/canary/*', 'sys/wrapping/*', 'secret/*']
      .map(path => `path "${path}" { capabilities = ["create", "read", "update", "list"] }`)
      .join('\n'),
  })
  await call('auth/approle/role/canary', { token_policies: 'canary', secret_id_ttl: '30m' })
  const role_id = (await vault.send({ method: 'GET', path: 'auth/approle/role/canary/role-id', token: root }))?.data
    ?.role_id
  const { secret_id } = await call('auth/approle/role/canary/secret-id')

  const jobs: string[] = []
  const answers: string[] = []
  const key = sshd.userKey.split('\n').slice(1, -2)
  const secrets = [PASSWORD, HOOK, OPTION, String(secret_id), ...key]
  for (const [name, address] of [
    ['web', `${web.url}/${repository.path.split('/').at(-1)}`],
    ['shell', sshd.address(repository.path)],
  ] as const) {
    await api.write(`sys/mounts/${name}`, { type: 'flant_gitops' })
    await api.write(`${name}/configure/git_credential`, { username: 'bot', password: PASSWORD })
    await api.write(`${name}/configure/ssh_key`, { private_key: sshd.userKey })
    await api.write(`${name}/configure/webhook`, { secret: HOOK })
    await api.write(`${name}/configure/options`, {
      git_ca: `${web.ca}${elsewhere.ca}`,
      ssh_known_hosts: sshd.knownHosts,
      submodules: 'fetch',
      lfs: name === 'web' ? 'fetch' : 'pointers',
      submodule_hosts: elsewhere.url,
    })
    // whoever may read the request reads what it sends; the database does not, nor does a log
    await api.write(`${name}/configure/vault_request/q`, {
      path: '/v1/sys/wrapping/wrap',
      method: 'POST',
      options: { value: OPTION },
    })
    const { secret_id: own } = name === 'web' ? { secret_id } : await call('auth/approle/role/canary/secret-id')
    secrets.push(String(own))
    await api.write(`${name}/configure_vault_access`, {
      vault_addr: vault.address,
      vault_tls_server_name: 'localhost',
      role_name: 'canary',
      secret_id_ttl: '120m',
      approle_mount_point: 'approle',
      role_id,
      secret_id: own,
    })
    await api.write(`${name}/configure`, {
      git_repo_url: address,
      git_branch_name: 'canary',
      docker_image: w.image,
      commands: [
        'echo "$VAULT_REQUEST_TOKEN_Q"; echo "$VAULT_REQUEST_TOKEN_Q" | sed "s/./&_/g"',
        'cat own/data public/data large',
        'sleep 3',
      ],
    })
    await until(async () => {
      const [id] = await api.tasks(name)
      const task = id && (await api.read(`${name}/task/${id}`))
      return task && (await w.stack.runtime.find(`writ-${task.job_id}`))?.phase === 'running'
    }, 40_000)
    const [id = ''] = await api.tasks(name)
    const { job_id } = await api.read(`${name}/task/${id}`)
    jobs.push(job_id)
    processes.push(...everyProcess('git'), ...everyProcess('writ'))
    const container = `writ-${job_id}`
    answers.push((await askEngine(`/containers/${container}/json`)).toString('latin1'))
    answers.push((await askEngine(`/containers/${container}/export`)).toString('latin1'))
    answers.push((await askEngine(`/containers/${container}/top?ps_args=axwwo%20pid,args`)).toString('latin1'))
    expect(await searchDatabase(w.stack.database.url, secrets.flatMap(traces))).toMatchObject({ hits: [] })
    const ended = await api.ended(name, commit)
    expect(ended).toMatchObject({ status: 'SUCCEEDED', log: expect.stringContaining('own\npublic\n') })
    expect(ended.log).toContain(name === 'web' ? 'a content\n' : 'oid sha256:')
    const token = ended.log.replaceAll(/(.)_/g, '$1').match(/^\S{20,}$/m)?.[0] ?? ''
    expect(token).toMatch(/^\S{20,}$/)
    secrets.push(token)
    // masked where it stands as it is; the job has printed it once with a character between each
    answers.push(ended.log.replaceAll(/^(._)+$/gm, ''), JSON.stringify({ ...ended, log: '' }))
    for (const path of ['configure', 'configure/options', 'status', 'task', `task/${id}`])
      answers.push(JSON.stringify(await api.send('GET', `${name}/${path}`)))
    for (const path of ['git_credential', 'ssh_key', 'webhook'])
      expect(await api.send('GET', `${name}/configure/${path}`)).toMatchObject({ status: 405 })
    expect(await api.send('GET', `${name}/configure_vault_access`)).toMatchObject({ status: 405 })
  }
  expect(jobs).toHaveLength(2)
  for (const path of ['/public.git', '/lfs-contents/'])
    expect(elsewhere.requests.some(({ url }) => url.startsWith(path))).toBe(true)
  expect(processes.some(text => text.includes('remote-https'))).toBe(true)

  const places: [string, readonly string[]][] = [
    ['an answer', answers],
    // the job's own environment holds wrapped tokens: that is what the contract says
    ['a process', processes.filter(text => !/(^|\0)VAULT_REQUEST_TOKEN_Q=/.test(text))],
    ['the log', [server.log()]],
    ['another server', elsewhere.requests.map(({ url, headers }) => `${url} ${headers}`)],
    ['a file of the copies', filesBelow(w.cache).map(path => readFileSync(path, 'latin1'))],
  ]
  for (const secret of secrets.flatMap(traces)) {
    for (const [place, texts] of places) {
      expect(
        texts.some(text => text.includes(secret)),
        `${secret} in ${place}`,
      ).toBe(false)
    }
  }
  expect(await searchDatabase(w.stack.database.url, secrets.flatMap(traces))).toMatchObject({ hits: [] })
})
