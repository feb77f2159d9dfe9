import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { searchDatabase } from '../demo/database-search.ts'
import { AUTHORITY, certificate, LEAF } from '../src/dev-vault/auth/cert/test-authority.ts'
import { type DevVault, startDevVault } from '../src/dev-vault/index.ts'
import { Vault } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'
import { lookupSelf } from '../src/vault/token.ts'
import { TestCluster } from '../test/kubernetes/cluster.ts'
import { everyProcess } from '../test/processes.ts'
import { type ServerProcess, until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

const OPTION = `canary-${randomBytes(16).toString('hex')}`
const authority = certificate('/CN=vault-cert-auth', AUTHORITY)
const issued = certificate('/CN=conf', LEAF, authority)
const tls = certificate('/CN=team', ['subjectAltName=IP:127.0.0.1'])

let w: Watched
let cluster: TestCluster
let server: ServerProcess
let api: WatchApi
let team: DevVault
let issuer: Server
beforeAll(async () => {
  w = await startWatched()
  cluster = await TestCluster.start()
  team = await newTeam()
  // the Vault of the watch, with the one path of PKI that the embedded one does not know
  issuer = createServer(async (asked, answer) => {
    const body = await buffer(asked)
    if (asked.url === '/v1/vault-cert-auth/issue/cert-auth') {
      const data = { certificate: issued.cert, private_key: issued.key, ca_chain: [authority.cert] }
      const good = JSON.parse(body.toString()).common_name === 'conf'
      return void answer.writeHead(good ? 200 : 400).end(JSON.stringify({ data }))
    }
    const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = asked.headers
    const said = await request(`${w.stack.vault.address}${asked.url}`, {
      method: asked.method as 'GET',
      headers: headers as Record<string, string>,
      body: body.length > 0 ? body : null,
    })
    answer.writeHead(said.statusCode, { 'content-type': 'application/json' }).end(await buffer(said.body))
  })
  await once(issuer.listen(0, '127.0.0.1'), 'listening')
  server = await w.startServer({ ...cluster.settings, WRIT_LOG_LEVEL: 'trace' })
  api = new WatchApi(() => server.address, w.stack.root.reveal())
  await configure()
})
afterAll(async () => {
  await w?.close()
  await cluster?.close()
  await team?.close()
  issuer?.close()
})

async function newTeam(port = 0): Promise<DevVault> {
  const vault = await startDevVault({ tls, port })
  await vault.write('sys/auth/cert', { type: 'cert' })
  await vault.write('auth/cert/certs/conf', {
    certificate: authority.cert,
    token_policies: 'default',
    token_ttl: '10m',
  })
  return vault
}

const call = async (path: string, body?: object) =>
  (await w.stack.vault.send({ method: body ? 'POST' : 'GET', path, token: w.stack.root, body }))?.data ?? {}

async function configure(): Promise<void> {
  const rule = (path: string) => `path "${path}" { capabilities = ["create", "read", "update"] }`
  const policy = ['auth/approle/role/k8s/*', 'sys/wrapping/*', 'vault-cert-auth/issue/cert-auth'].map(rule).join('\n')
  await call('sys/policies/acl/k8s', { policy })
  await call('auth/approle/role/k8s', { token_policies: 'k8s', secret_id_ttl: '30m' })
  await api.write('sys/mounts/k8s', { type: 'flant_gitops' })
  await api.write('k8s/configure/options', { unpinned_image: true, max_attempts: 1 })
  await api.write('k8s/configure_vault_access', {
    vault_addr: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`,
    vault_tls_server_name: 'localhost',
    role_name: 'k8s',
    secret_id_ttl: '120m',
    approle_mount_point: 'approle',
    role_id: (await call('auth/approle/role/k8s/role-id')).role_id,
    secret_id: (await call('auth/approle/role/k8s/secret-id', {})).secret_id,
  })
  await api.write('k8s/configure/vault_request/q', {
    path: '/v1/sys/wrapping/wrap',
    method: 'POST',
    options: { value: OPTION },
  })
  await api.write('k8s/configure/vaults', { vaults: [{ name: 'team', url: team.address, vault_cacert: tls.cert }] })
  const spaced = (name: string) => `echo "$${name}" | sed "s/./&_/g"`
  const script = [
    `echo "$VAULTS_B64_JSON" "$VAULT_REQUEST_TOKEN_Q"; echo "$VAULTS_B64_JSON" | base64 -d; echo`,
    `echo LIST; ${spaced('VAULTS_B64_JSON')}; echo WRAP; ${spaced('VAULT_REQUEST_TOKEN_Q')}; echo DONE; sleep 2`,
  ].join('; ')
  const containers = [{ name: 'main', image: w.stack.image, command: ['sh', '-c', script] }]
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: {}, spec: { template: { spec: { containers } } } }
  await api.write('k8s/configure/kubernetes_job', { template: JSON.stringify(job) })
}

let tip = ''
function push(data: string): string {
  const { repository } = w.world
  tip = repository.commit(repository.tree({ data }), tip ? [tip] : [])
  repository.ref('refs/heads/k8s', tip)
  return tip
}
const watch = () =>
  api.write('k8s/configure/git_repository', {
    git_repo_url: w.world.repository.path,
    git_branch_name: 'k8s',
    git_poll_period: '1s',
  })

const between = (text: string, from: string, to: string) =>
  (text.split(`${from}\n`)[1]?.split(`${to}\n`)[0] ?? '').replaceAll(/(.)_/g, '$1').trim()
const forms = (secret: string) => [secret, Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1)]

test('a token of each Vault and the wrapped answers reach the job, and nothing but the job; they end with it', async () => {
  const commit = push('1')
  await watch()
  let log = ''
  await until(async () => {
    const [id] = await api.tasks('k8s')
    log = id ? ((await api.read(`k8s/task/${id}/log?limit=100000`))?.result ?? '') : ''
    return log.includes('DONE')
  }, 40_000)
  const list = between(log, 'LIST', 'WRAP')
  const wrap = between(log, 'WRAP', 'DONE')
  const [vault] = JSON.parse(Buffer.from(list, 'base64').toString())
  expect(vault).toEqual({ name: 'team', url: team.address, vault_cacert: tls.cert, token: expect.any(String) })
  const client = new Vault({ address: team.address, ca: tls.cert })
  const token = new Secret(vault.token)
  expect((await lookupSelf(client, token)).policies).toContain('default')

  const secrets = [list, wrap, vault.token, OPTION, issued.key.split('\n')[1] ?? ''].flatMap(forms)
  const clear = log.replaceAll(/^(._)+$/gm, '')
  const job = cluster.objects.list('jobs', 'ci')[0]
  expect(job.metadata.name).toMatch(/^writ-/)
  expect(cluster.seen.length).toBeGreaterThan(2)
  const pods = JSON.stringify(cluster.objects.list('pods', 'ci'))
  const places: [string, string][] = [
    ['the Job', cluster.seen.join('\n')],
    ['its pods', pods],
    ['the log', server.log()],
    ['the output', clear],
    [
      'a process',
      everyProcess('writ')
        .filter(text => !/(^|\0)VAULT_REQUEST_TOKEN_Q=/.test(text))
        .join('\n'),
    ],
    [
      'an answer',
      JSON.stringify(
        await Promise.all(['', '/plan', '/status'].map(async path => path && (await api.read(`k8s${path}`)))),
      ),
    ],
  ]
  // whoever may read a request sees what it sends
  for (const secret of secrets.filter(text => !forms(OPTION).includes(text)))
    for (const [place, text] of places) expect(text.includes(secret), `${secret.slice(0, 12)}… in ${place}`).toBe(false)
  expect(await searchDatabase(w.stack.database.url, secrets)).toMatchObject({ hits: [] })
  expect(await api.ended('k8s', commit)).toMatchObject({ status: 'SUCCEEDED' })
  await until(
    async () =>
      await lookupSelf(client, token).then(
        () => false,
        () => true,
      ),
  )
  await until(async () => cluster.objects.list('secrets', 'ci').length === 0)
  expect(await searchDatabase(w.stack.database.url, secrets)).toMatchObject({ hits: [] })
  await client.close()
})

test('a Vault that refuses keeps the job from starting, by its name', async () => {
  const ran = cluster.kubelet.ran.length
  await team.write('auth/cert/certs/conf', { certificate: certificate('/CN=other', AUTHORITY).cert })
  const refused = await api.ended('k8s', push('2'))
  expect(refused).toMatchObject({ status: 'FAILED', reason_code: 'watch_access_failed' })
  expect(refused.reason).toContain('team: ')
  expect(cluster.kubelet.ran).toHaveLength(ran)
  await until(async () => cluster.objects.list('jobs', 'ci').length === 0)
})

test('one that is away is waited for, which is no attempt', async () => {
  const ran = cluster.kubelet.ran.length
  const { port } = new URL(team.address)
  await team.close()
  const commit = push('3')
  await until(async () => (await api.read('k8s/status')).reason_code === 'watch_vault_unavailable', 40_000)
  expect(cluster.kubelet.ran).toHaveLength(ran)
  team = await newTeam(Number(port))
  await api.write('k8s/retry', { commit })
  const ended = await api.ended('k8s', commit)
  expect(ended.reason_code === 'watch_vault_unavailable' || ended.status === 'SUCCEEDED').toBe(true)
  await until(async () => (await api.read('k8s/status')).last_successful_commit === commit, 40_000)
}, 120_000)
