import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join, resolve } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { searchDatabase } from '../demo/database-search.ts'
import { busyboxEntries, tarOf } from '../test/busybox-image.ts'
import { selfSigned } from '../test/certificate.ts'
import { Terminal } from './command.ts'
import { askEngine } from './engine.ts'
import { type ServerProcess, until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

/** Where containers reach this machine: the gateway of the engine's bridge, as flant_gitops' own fixtures do it. */
const CLI = process.env.WRIT_TEST_VAULT_CLI

let w: Watched
let server: ServerProcess
let api: WatchApi
let bridge: Server
let vaultAddr: string
beforeAll(async () => {
  w = await startWatched()
  const { port } = new URL(w.stack.vault.address)
  bridge = createServer(socket => {
    const inner = connect(Number(port), '127.0.0.1')
    socket.pipe(inner).pipe(socket)
    for (const end of [socket, inner]) end.on('error', () => {})
  })
  // the machine's own address in the network of the jobs
  const network = JSON.parse((await askEngine('/networks/bridge')).toString())
  const { Gateway, Subnet } = network.IPAM.Config[0]
  // an engine that was never told its gateway takes the first address, and does not say so
  const gateway: string = Gateway ?? Subnet.replace(/\.\d+\/\d+$/, '.1')
  await once(bridge.listen(0, gateway), 'listening')
  vaultAddr = `http://${gateway}:${(bridge.address() as { port: number }).port}`
  server = await w.startServer({ WRIT_JOB_NETWORK: 'bridge', WRIT_LOG_LEVEL: 'trace' })
  api = new WatchApi(() => server.address, w.stack.root.reveal())
})
afterAll(async () => {
  await w?.close()
  bridge?.close()
})

const vault = async (method: 'GET' | 'POST', path: string, body?: object) =>
  (await w.stack.vault.send({ method, path, token: w.stack.root, body }))?.data ?? {}

/** A role as the README of flant_gitops makes it, but with no more rights than are needed. */
async function newRole(name: string, paths: string[]): Promise<{ role_id: string; secret_id: string }> {
  const rule = (path: string) => `path "${path}" { capabilities = ["create", "read", "update", "list"] }`
  const own = [`auth/approle/role/${name}/secret-id`, `auth/approle/role/${name}/secret-id/destroy`]
  await vault('POST', `sys/policies/acl/${name}`, { policy: [...own, ...paths].map(rule).join('\n') })
  await vault('POST', `auth/approle/role/${name}`, {
    secret_id_ttl: '30m',
    token_ttl: '90s',
    token_policies: name,
  })
  const { role_id } = await vault('GET', `auth/approle/role/${name}/role-id`)
  const { secret_id } = await vault('POST', `auth/approle/role/${name}/secret-id`, {})
  return { role_id: String(role_id), secret_id: String(secret_id) }
}

const secretIds = async (role: string): Promise<number> => {
  const path = `auth/approle/role/${role}/secret-id`
  const answer = await w.stack.vault.send({ method: 'LIST', path, token: w.stack.root }).catch(() => null)
  return ((answer?.data?.keys as string[]) ?? []).length
}

const access = (role: string, ids: { role_id: string; secret_id: string }, more: object = {}) => ({
  vault_addr: vaultAddr,
  vault_tls_server_name: 'localhost',
  vault_cacert: '',
  role_name: role,
  secret_id_ttl: '120m',
  approle_mount_point: '/auth/approle/',
  ...ids,
  ...more,
})

const SCRIPT = `echo "$VAULT_ADDR $VAULT_TLS_SERVER_NAME $VAULT_CACERT token:\${VAULT_TOKEN:-none}"
echo CA BEGIN; cat $VAULT_CACERT; echo CA END
ls -l flant_gitops.sh; pwd
for name in GET_BUCKET1 GET_BUCKET2; do
  eval token=\\$VAULT_REQUEST_TOKEN_$name
  echo "$name token $token" ; echo "$token" | sed 's/./&_/g'
  wget -q -O - --header "X-Vault-Token: $token" --post-data '' $VAULT_ADDR/v1/sys/wrapping/unwrap | sed 's/./&_/g'
  echo
done
sleep 2
`

test.each(CLI ? ['http', 'cli'] : ['http'])(
  'the README of flant_gitops, by %s: configured, signed off, requests made, answers unwrapped',
  async how => {
    const mount = how === 'cli' ? 'of_cli' : 'flant_gitops'
    const otherSpelling = mount.replace('_', '-')
    const terminal = await Terminal.open({ VAULT_ADDR: server.address, VAULT_TOKEN: w.stack.root.reveal() })
    const folder = terminal.folder
    const ca = selfSigned().cert
    writeFileSync(join(folder, 'ca.pem'), ca)
    writeFileSync(
      join(folder, 'payload.json'),
      JSON.stringify({ options: { a: 'x', b: { n: 1, yes: true, none: [] } } }),
    )
    /** The command of Vault, or what it sends. */
    const run = async (verb: string, path: string, ...pairs: string[]): Promise<string> => {
      if (how === 'cli') {
        const { code, stdout, stderr } = await terminal.run(resolve(CLI as string), [verb, path, ...pairs])
        expect(code, `${verb} ${path}: ${stdout}${stderr}`).toBe(0)
        return stdout
      }
      const body: Record<string, unknown> = {}
      for (const pair of pairs) {
        if (pair.startsWith('@')) Object.assign(body, JSON.parse(readFileSync(join(folder, pair.slice(1)), 'utf8')))
        const [key = '', value = ''] = pair.split(/=(.*)/s, 2)
        body[key] = value.startsWith('@') ? readFileSync(join(folder, value.slice(1)), 'utf8') : value
      }
      if (verb === 'path-help') return (await api.send('GET', `${path}?help=1`)).body.help
      if (verb === 'read') return JSON.stringify(await api.read(path))
      await api.write(path, body)
      return ''
    }

    if (how === 'cli') {
      const cli = async (...args: string[]) => await terminal.run(resolve(CLI as string), args)
      expect(await cli('secrets', 'enable', `-path=${otherSpelling}`, 'flant_gitops')).toMatchObject({ code: 0 })
      expect((await cli('secrets', 'list')).stdout).toMatch(/^of-cli\/ +flant_gitops /m)
      expect(await cli('list', `${mount}/configure/vault_request`)).toMatchObject({ code: 2 })
    }
    await vault('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '1' } }).catch(() => {})
    for (const n of [1, 2]) await vault('POST', `kv/bucket${n}`, { [`key${n}`]: `value-of-key-${n}` })
    const role = `myrole-${how}`
    const ids = await newRole(role, ['kv/*'])
    const branch = `readme-${how}`
    const tree = w.world.repository.mktree([['100755', w.world.repository.blob(SCRIPT), 'flant_gitops.sh']])
    const commit = w.world.repository.commit(tree)
    w.world.repository.ref(`refs/heads/${branch}`, commit)

    await run(
      'write',
      `${mount}/configure_vault_access`,
      `vault_addr=${vaultAddr}`,
      'vault_tls_server_name=localhost',
      `role_name=${role}`,
      'secret_id_ttl=120m',
      'approle_mount_point=auth/approle',
      `role_id=${ids.role_id}`,
      `secret_id=${ids.secret_id}`,
      'vault_cacert=@ca.pem',
    )
    // consumed: the one that was sent is gone, and the watch has one of its own
    expect(await secretIds(role)).toBe(1)
    for (const n of [1, 2])
      await run(
        'write',
        `${mount}/configure/vault_request/get_bucket${n}`,
        `path=/v1/kv/bucket${n}`,
        'wrap_ttl=1m',
        '@payload.json',
      )
    await run(
      'write',
      `${mount}/configure`,
      `git_repo_url=${w.world.repository.path}`,
      `git_branch_name=${branch}`,
      'required_number_of_verified_signatures_on_commit=0',
      'git_poll_period=1m',
      'initial_last_successful_commit=',
      `docker_image=${w.image}`,
      'commands=./flant_gitops.sh',
    )
    expect(await run('path-help', `${otherSpelling}/configure/`)).toContain('DESCRIPTION')
    expect(await run('path-help', `${mount}/configure/vault_request/VAULT_REQUEST_NAME`)).toContain('wrap')
    expect(await run('read', `${mount}/configure`)).toContain('./flant_gitops.sh')
    expect(await run('read', `${mount}/configure/vault_request/get_bucket1`)).toContain('/v1/kv/bucket1')

    // while it runs: nothing in the description of the container, and nothing but ciphertext in the database
    await until(async () => (await api.tasks(mount)).length > 0)
    const [id = ''] = await api.tasks(mount)
    const { job_id } = await api.read(`${mount}/task/${id}`)
    await until(async () => (await w.stack.runtime.find(`writ-${job_id}`))?.phase === 'running')
    const inspected = (await askEngine(`/containers/writ-${job_id}/json`)).toString()

    const { status, log } = await api.ended(mount, commit)
    expect({ status, log }).toMatchObject({ status: 'SUCCEEDED' })
    expect(log).toContain(`${vaultAddr} localhost /git/.flant_gitops/ca.crt token:none`)
    expect(log).toContain(`CA BEGIN\n${ca.trimEnd()}`)
    expect(log).toMatch(/CA BEGIN\n[\s\S]*\n\nCA END|CA BEGIN\n[\s\S]*-----END CERTIFICATE-----\n+CA END/)
    expect(log).toMatch(/-rwxr-xr-x.*flant_gitops.sh\n\/git\n/)
    // masked where it stands as it is; with a character between each, it shows that the job had it
    expect(log).not.toMatch(/GET_BUCKET1 token \S{20,}/)
    const plain = log.replaceAll(/(.)_/g, '$1')
    for (const n of [1, 2]) expect(plain).toContain(`"key${n}":"value-of-key-${n}"`)
    const token = /GETBUCKET1 token.*\n(\S+)\n/.exec(plain)?.[1] ?? ''
    expect(token.length).toBeGreaterThan(20)
    const [stored] = await w.stack.db.selectFrom('jobs').selectAll().where('id', '=', job_id).execute()
    expect(stored).toMatchObject({ sealed_spec: null, sealed_masks: null })
    expect(inspected).not.toContain(token)
    expect(server.log()).not.toContain(token)
    expect(await searchDatabase(w.stack.database.url, [token, ids.secret_id])).toMatchObject({ hits: [] })
    await until(async () => {
      const tasks = await w.stack.db.selectFrom('watch_tasks').select('sealed_vault_token').execute()
      return tasks.every(task => task.sealed_vault_token === null)
    })
    rmSync(folder, { recursive: true, force: true })
  },
)

test('answers are wrapped when the image is there, however long that takes: their time does not run meanwhile', async () => {
  await api.write('sys/mounts/slow', { type: 'flant_gitops' })
  await vault('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '1' } }).catch(() => {})
  await vault('POST', 'kv/slow', { key: 'value' })
  await api.write('slow/configure_vault_access', access('slow', await newRole('slow', ['kv/*'])))
  await api.write('slow/configure/vault_request/q', { path: '/v1/kv/slow', wrap_ttl: '60s' })
  const layer = await tarOf([...busyboxEntries(), { name: 'big', data: randomBytes(50_000) }])
  const digest = w.registry.offer('slow', layer)
  const commit = w.world.repository.commit(w.world.repository.tree({ data: 'x' }))
  w.world.repository.ref('refs/heads/slow', commit)
  w.registry.stalling = true
  const lookup = `wget -q -O - --post-data '{"token":"'$VAULT_REQUEST_TOKEN_Q'"}' $VAULT_ADDR/v1/sys/wrapping/lookup`
  await api.write('slow/configure', {
    git_repo_url: w.world.repository.path,
    git_branch_name: 'slow',
    docker_image: `${w.registry.host}/busybox:slow@${digest}`,
    commands: [lookup, 'echo "ca:$VAULT_CACERT."; ls -A'],
  })
  const made = async () =>
    (
      await sql<{ entry: string }>`select entry from audit where entry::jsonb->>'action' = 'watch.request_made'
      and entry::jsonb->'detail'->>'watch' = 'slow'`.execute(w.stack.db)
    ).rows
  try {
    const output = w.stack.db.selectFrom('output').select('job_id').where('stream', '=', 'system')
    // the pull has begun, and stands still
    await until(async () => (await output.execute()).length > 0)
    await new Promise(resolve => setTimeout(resolve, 6_000))
    expect(await made()).toEqual([])
  } finally {
    w.registry.stalling = false
    w.registry.letGo()
  }
  const pulled = Date.now()
  const { status, log } = await api.ended('slow', commit)
  expect({ status, log }).toMatchObject({ status: 'SUCCEEDED' })
  expect(await made()).toHaveLength(1)
  // without a CA: no variable, and nothing beside the files of the commit
  expect(log).toContain('ca:.\ndata\n')
  expect(Date.parse(/"creation_time":"([^"]+)"/.exec(log)?.[1] ?? '')).toBeGreaterThanOrEqual(pulled)
})

test('an access that Vault does not let in is refused at once, and its SecretID is nowhere', async () => {
  await api.write('sys/mounts/refused', { type: 'flant_gitops' })
  const canary = `canary-${randomBytes(12).toString('hex')}`
  const { role_id } = await newRole('refused', [])
  const wrong = await api.send(
    'PUT',
    'refused/configure_vault_access',
    access('refused', { role_id, secret_id: canary }),
  )
  expect(wrong).toMatchObject({ status: 500, body: { code: 'watch_access_failed' } })
  const away = access('refused', { role_id, secret_id: canary }, { vault_addr: 'http://127.0.0.1:1' })
  expect(await api.send('PUT', 'refused/configure_vault_access', away)).toMatchObject({
    status: 503,
    body: { code: 'watch_vault_unavailable' },
  })
  expect(JSON.stringify([wrong.body, server.log()])).not.toContain(canary)
  expect(await api.read('refused/status')).toMatchObject({ has_access: false })
})

test('the SecretID is replaced in time, the old one is destroyed, and another Vault needs no restart', async () => {
  await api.write('sys/mounts/rotated', { type: 'flant_gitops' })
  const ids = await newRole('rotated', [])
  await api.write('rotated/configure_vault_access', access('rotated', ids, { secret_id_ttl: '120s' }))
  const sealed = async () =>
    await w.stack.db.selectFrom('watches').selectAll().where('name', '=', 'rotated').executeTakeFirstOrThrow()
  const before = await sealed()
  // a tenth of 120 s, and the maintenance every 5 s
  await w.stack.db
    .updateTable('watches')
    .set({ secret_id_renewed_at: new Date(Date.now() - 13_000) })
    .where('name', '=', 'rotated')
    .execute()
  await until(async () => (await sealed()).sealed_secret_id !== before.sealed_secret_id)
  await until(async () => (await sealed()).sealed_old_secret_id === null)
  expect(await secretIds('rotated')).toBe(1)
  // moved: the new record counts at once (flant_gitops went on with the old client)
  const others = await newRole('rotated-two', [])
  await api.write(
    'rotated/configure_vault_access',
    access('rotated-two', others, { vault_addr: w.stack.vault.address }),
  )
  expect(await secretIds('rotated-two')).toBe(1)
})
