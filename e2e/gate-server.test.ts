import { afterAll, beforeAll, expect, test } from 'vitest'
import { applySetup } from '../src/cli/vault-setup/apply.ts'
import { DEFAULTS, GATE_ROLE, gatePlan } from '../src/cli/vault-setup/plan.ts'
import { Secret } from '../src/vault/secret.ts'
import { unwrap } from '../src/vault/wrapping.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess
/** Of the gate's own listener. */
let gate: string

beforeAll(async () => {
  stack = await startStack()
  const { vault, root } = stack
  await applySetup(vault, root, gatePlan('secret/gatekeeper'))
  const body = { token_policies: [DEFAULTS.serverRole, GATE_ROLE], token_period: '1h' }
  await vault.send({ method: 'POST', path: `auth/approle/role/${DEFAULTS.serverRole}`, token: root, body })
  const policies = { data: { 'asks-*': { policies: ['default'], ttl: 600 } } }
  await vault.send({ method: 'POST', path: 'secret/data/gatekeeper', token: root, body: policies })
  server = await stack.startServer({
    WRIT_ROLE_ID: '',
    GOSTINT_RUN_SECRETID: '',
    WRIT_JOB_NETWORK: 'bridge',
    WRIT_GATE_LISTEN: '0.0.0.0:0',
    WRIT_GATE_SCHEDULERS: 'writ',
  })
  const [, port] = /"address":"http:[^"]*:(\d+)"[^\n]*"gate listening"/.exec(server.log()) ?? expect.fail(server.log())
  gate = `http://127.0.0.1:${port}`
})
afterAll(() => stack.close())

const post = async (path: string, body: object, token?: Secret) => {
  const headers = { 'content-type': 'application/json', ...(token ? { 'x-vault-token': token.reveal() } : {}) }
  const answer = await fetch(`${gate}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  return (await answer.json()) as Record<string, unknown>
}
const unseal = async () =>
  await post('/unseal', {
    type: 'approle',
    role_id: stack.identities.serverRoleId,
    secret_id: stack.identities.serverSecretId.reveal(),
  })
/** Asks the gate twice, from inside of a job's container. */
const asking = (id: string) => {
  const port = new URL(gate).port
  const ask = `wget -q -O- --post-data '{"task_id":"'${id}'"}' http://$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'):${port}/token`
  return `${ask} > /tmp/first; cat /tmp/first; echo; ${ask} || echo refused`
}

test('a server without credentials waits sealed, and is unsealed over the listener of its gate', async () => {
  const client = stack.client(server.address)
  await expect(client.submit(shell(stack, 'true'))).rejects.toMatchObject({ code: 'server_sealed' })
  expect(await post('/token', { task_id: 'a'.repeat(24) })).toMatchObject({ code: 'server_sealed' })
  expect(await unseal()).toMatchObject({ ok: true, unsealed: true })
  const { stdout } = await untilEnded(stack, client, (await client.submit(shell(stack, 'echo runs')))._id)
  expect(stdout).toBe('runs\n')
})

test("GoStint's SecretID in the environment is enough for both", async () => {
  const both = await stack.startServer({ WRIT_GATE_LISTEN: '127.0.0.1:0', WRIT_GATE_SCHEDULERS: 'writ' })
  expect(both.log()).toContain('gate listening')
  expect((await fetch(`${both.address}/v1/api/health`)).status).toBe(200)
  await both.stop()
})

test('a running job asks the gate by its id, and gets one token', async () => {
  const client = stack.client(server.address)
  const { _id } = await client.submit(shell(stack, asking('$WRIT_JOB_ID'), { qname: 'asks-once' }))
  const { stdout } = await untilEnded(stack, client, _id)
  const [answer = '', refused] = stdout.split('\n')
  expect(refused).toBe('refused')
  const { auth } = await unwrap(stack.vault, new Secret(JSON.parse(answer).token))
  expect(auth?.policies).toEqual(['default'])
  const { rows } = await trail()
  expect(rows.filter(row => row.action === 'gate.issued')).toMatchObject([{ detail: { task: _id, name: 'asks-once' } }])
  // it has ended: nothing for whoever learned its id
  expect(await post('/token', { task_id: _id })).toMatchObject({ ok: false, code: 'task_ended' })
})

test('while it is sealed, jobs wait in their queue, and then run', async () => {
  const client = stack.client(server.address)
  const first = await client.submit(shell(stack, 'sleep 3', { qname: 'waits' }))
  await until(async () => (await client.get(first._id)).status === 'running')
  const second = await client.submit(shell(stack, 'echo later', { qname: 'waits' }))
  expect(await post('/seal', {})).toMatchObject({ ok: false, code: 'gate_not_permitted' })
  expect(await post('/seal', {}, stack.root)).toMatchObject({ ok: true, unsealed: false })
  await until(async () => (await client.get(first._id)).status === 'success')
  await new Promise(done => setTimeout(done, 3_000))
  expect((await client.get(second._id)).status).toBe('queued')
  expect(await unseal()).toMatchObject({ ok: true, unsealed: true })
  expect((await untilEnded(stack, client, second._id)).stdout).toBe('later\n')
  const { rows, text } = await trail()
  expect(rows.filter(({ action }) => /^gate\.(un)?sealed$/.test(action))).toMatchObject([
    { action: 'gate.unsealed', actor: '127.0.0.1', detail: { method: 'approle' } },
    // as a server in its development mode names the token that it was given
    { action: 'gate.sealed', actor: '127.0.0.1', detail: { name: expect.stringMatching(/^(root|token)$/) } },
    { action: 'gate.unsealed', actor: '127.0.0.1', detail: { method: 'approle' } },
  ])
  for (const secret of [stack.root, stack.identities.serverSecretId]) {
    expect(text + server.log()).not.toContain(secret.reveal())
  }
})

async function trail() {
  const rows = await stack.db.selectFrom('audit').select('entry').orderBy('seq').execute()
  const text = rows.map(({ entry }) => entry).join('\n')
  return { text, rows: rows.map(({ entry }) => JSON.parse(entry) as { action: string; actor: string; detail: object }) }
}
