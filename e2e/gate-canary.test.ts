import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { searchDatabase } from '../demo/database-search.ts'
import { Secret } from '../src/vault/secret.ts'
import { unwrap } from '../src/vault/wrapping.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { startTestVault, type TestVault } from '../test/dev-vault.ts'
import { FakeServer } from '../test/fake-server.ts'
import { startGate } from './gate-process.ts'

let stack: TestVault
let database: TestDatabase
let receiver: FakeServer
const folder = mkdtempSync(join(tmpdir(), 'writ-canary-'))
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

beforeAll(async () => {
  stack = await startTestVault()
  const { write } = stack
  await write('secret/data/gatekeeper', { data: { '*': { policies: ['default'], ttl: 600 } } })
  const rights = { 'auth/token/create': 'update", "sudo', 'secret/data/gatekeeper': 'read', 'writ/gate': 'update' }
  const rules = Object.entries(rights).map(([path, list]) => `path "${path}" { capabilities = ["${list}"] }`)
  await write('sys/policies/acl/gate', { policy: rules.join('\n') })
  for (const type of ['approle', 'userpass', 'jwt']) await write(`sys/auth/${type}`, { type })
  await write('auth/approle/role/gate', { token_policies: ['gate'] })
  await write('auth/jwt/config', { jwt_validation_pubkeys: [ec.publicKey.export({ type: 'spki', format: 'pem' })] })
  const bound = { role_type: 'jwt', user_claim: 'sub', bound_audiences: 'vault', token_policies: 'gate' }
  await write('auth/jwt/role/gate', bound)
  database = await createTestDatabase()
  receiver = await FakeServer.listen(response => response.writeHead(204).end())
})
afterAll(async () => {
  await receiver.close()
  await stack.close()
  await database.drop()
  rmSync(folder, { recursive: true })
})

const start = (env: Record<string, string> = {}) =>
  startGate(['-listen', '127.0.0.1:0', '-provider', 'test', '-log-level', 'trace'], {
    VAULT_ADDR: stack.vault.address,
    WRIT_GATE_UNSEAL_RATE_LIMIT: '0',
    WRIT_GATE_ALARM_URL: receiver.address,
    ...env,
  })

/** All that must be nowhere, and where to look for it. */
const secrets: string[] = []
const noted = (text: string) => {
  secrets.push(text)
  return text
}
const canary = () => noted(`canary-${randomBytes(16).toString('hex')}`)
const forms = (text: string) => [
  text,
  Buffer.from(text).toString('base64').slice(0, 24),
  Buffer.from(text).toString('hex'),
]

async function wrapped(path: string, body: object): Promise<string> {
  const answer = await stack.vault.send({ method: 'POST', path, token: stack.root, body, wrapTtl: '600s' })
  return noted(answer?.wrap?.token.reveal() ?? expect.fail('not wrapped'))
}

function jwt(): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = { sub: 'ci', aud: 'vault', iat: now - 60, nbf: now - 60, exp: now + 600 }
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode({ alg: 'ES256', typ: 'JWT' })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
  return noted(`${text}.${signature.toString('base64url')}`)
}

/** Every way to unseal that this Vault knows, each with a secret of its own. */
async function good(): Promise<Record<string, string>[]> {
  const gateToken = async () => noted((await stack.token({ policies: ['gate', 'default'], ttl: '1h' })).reveal())
  const hole = await stack.token({ policies: ['default'], ttl: '600s' })
  noted(hole.reveal())
  const inside = { token: await gateToken() }
  await stack.vault.send({ method: 'POST', path: 'cubbyhole/vault-token', token: hole, body: inside })
  const password = canary()
  await stack.write('auth/userpass/users/ann', { password, token_policies: 'gate' })
  const role = 'auth/approle/role/gate'
  const roleId = (await stack.vault.send({ method: 'GET', path: `${role}/role-id`, token: stack.root }))?.data?.role_id
  const made = await stack.vault.send({ method: 'POST', path: `${role}/secret-id`, token: stack.root, body: {} })
  return [
    { type: 'token', token: await gateToken() },
    { type: 'wrapped-token', token: await wrapped('auth/token/create', { policies: ['gate', 'default'] }) },
    { type: 'cubby', token: hole.reveal(), cubby_path: '/vault-token' },
    { type: 'userpass', username: 'ann', password },
    { type: 'approle', role_id: String(roleId), secret_id: noted(String(made?.data?.secret_id)) },
    { type: 'approle', role_id: String(roleId), wrapped_secret_id: await wrapped(`${role}/secret-id`, {}) },
    { type: 'jwt', role: 'gate', jwt: jwt() },
  ]
}

/** What is refused: by Vault, or by us before. */
const bad = (): (Record<string, string> | string)[] => [
  { type: 'token', token: canary() },
  { method: 'token', token: `${canary()}\n` },
  { type: 'wrapped-token', token: canary() },
  { type: 'cubby', token: canary(), cubby_path: canary() },
  { type: 'userpass', username: 'ann', password: canary() },
  // the password where the name belongs
  { type: 'userpass', username: canary(), password: 'x' },
  { type: 'github', token: canary() },
  { method: 'github', personal_token: canary() },
  { type: 'app-id', app_id: 'app', user_id_method: 'mac', user_id_interface: 'lo', user_id_salt: canary() },
  { type: 'aws', aws_role: 'x', aws_nonce: canary() },
  { type: 'approle', role_id: 'x', secret_id: canary() },
  { type: 'approle', role_id: 'x', wrapped_secret_id: canary() },
  { type: 'kubernetes', role: 'x', jwt: canary() },
  { type: 'jwt', role: 'gate', jwt: canary() },
  { type: 'cert', token: canary() },
  { type: canary(), token: canary() },
  `{"type":"token","token":"${canary()}`,
  `{"type":"token","token":{"a":"${canary()}"}}`,
  `{"type":"token","token":["${canary()}"]}`,
  `"${canary()}"`,
  `\u0000{"token":"${canary()}"}`,
]

test('no credential that unseals, no token that administers and no token of a task is anywhere it should not be', async () => {
  const gate = await start({ DATABASE_URL: database.url })
  const answers: string[] = []
  const send = async (path: string, body: string, headers: Record<string, string> = {}, method = 'POST') => {
    const answer = await fetch(gate.address + path, {
      method,
      redirect: 'manual',
      headers: { 'content-type': 'application/json', ...headers },
      ...(method === 'POST' ? { body } : {}),
    })
    const text = await answer.text()
    answers.push(JSON.stringify([...answer.headers]))
    return { ok: answer.ok, text }
  }
  const say = async (...asked: Parameters<typeof send>) => {
    const answer = await send(...asked)
    answers.push(answer.text)
    return answer
  }
  const admin = noted((await stack.token({ policies: ['gate', 'default'], ttl: '1h' })).reveal())
  const html = { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' }

  for (const body of bad()) await say('/unseal', typeof body === 'string' ? body : JSON.stringify(body))
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    await say('/unseal', `auth_type=token&token_token=${canary()}`, { 'content-type': type })
  }
  await say(`/unseal?auth_type=token&token_token=${canary()}`, `auth_type=userpass&userpass_password=${canary()}`, html)
  await say(`/status.json?token=${canary()}`, '', { authorization: `Bearer ${canary()}` }, 'GET')
  await say(`/?said=${canary()}&tried=${canary()}`, '', html, 'GET')
  await say(`/nowhere/${canary()}`, '', { 'x-vault-token': canary() }, 'GET')

  let issued = 0
  for (const credential of await good()) {
    expect(await say('/unseal', JSON.stringify(credential)), credential.type).toMatchObject({ ok: true })
    const task = JSON.stringify({ task_id: `task-${issued}` })
    const { token: wrap } = JSON.parse((await send('/token', task)).text)
    const opened = (await unwrap(stack.vault, new Secret(noted(wrap)))).auth?.token ?? expect.fail('nothing inside')
    noted(opened.reveal())
    issued += 1
    // the second raises an alarm
    await say('/token', task, { authorization: `Bearer ${canary()}` })
    for (const path of ['/status', '/status.json', '/metrics', '/']) await say(path, '', html, 'GET')
    await say('/policies/reload', '', { 'x-vault-token': canary() })
    await say('/policies/reload', `vault_token=${admin}`, html)
    const how = [{ 'x-vault-token': admin }, { 'x-auth-token': admin }, { authorization: `Bearer ${admin}` }]
    expect(await say('/seal', '', how[issued % 3])).toMatchObject({ ok: true })
  }
  expect(issued).toBe(7)
  await expect.poll(() => receiver.seen.length).toBeGreaterThan(0)

  const proc = (name: string) => readFileSync(`/proc/${gate.child.pid}/${name}`, 'latin1')
  const places = {
    log: gate.lines(),
    answers: answers.join('\n'),
    arguments: proc('cmdline'),
    environment: proc('environ'),
    alarms: JSON.stringify(receiver.seen),
  }
  expect(places.log).toContain('token issued')
  expect(places.environment).toContain('DATABASE_URL')
  const traces = secrets.flatMap(forms)
  for (const [place, text] of Object.entries(places)) {
    expect(
      traces.filter(trace => text.includes(trace)),
      place,
    ).toEqual([])
  }
  const found = await searchDatabase(database.url, traces)
  expect(found.rows).toBeGreaterThan(issued)
  expect(found.hits).toEqual([])
}, 120_000)

test.each([
  ['VAULT_TOKEN', {}],
  ['CUBBY_TOKEN', { CUBBY_PATH: '/vault-token' }],
  ['WRAPPED_TOKEN_AUTH', {}],
  ['AUTH_APP_SECRET', { AUTH_APP_ROLE: 'x' }],
  ['WRIT_WRAPPED_SECRET_ID', { WRIT_ROLE_ID: 'x' }],
  ['WRIT_SECRET_ID_FILE', { WRIT_ROLE_ID: 'x' }],
  ['WRIT_JWT_FILE', { WRIT_JWT_ROLE: 'gate' }],
] as [string, Record<string, string>][])(
  '%s that is refused at start is in no log and no answer',
  async (name, more) => {
    const value = canary()
    const path = join(folder, name)
    writeFileSync(path, value)
    const gate = await start({ ...more, [name]: name.endsWith('_FILE') ? path : value })
    await expect.poll(gate.lines).toContain('login failed')
    const answers = ['/status', '/metrics', '/'].map(async at => await (await fetch(gate.address + at)).text())
    const text = gate.lines() + (await Promise.all(answers)).join('\n')
    expect(forms(value).filter(form => text.includes(form))).toEqual([])
  },
)
