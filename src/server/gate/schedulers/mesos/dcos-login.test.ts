import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { selfSigned } from '../../../../../test/certificate.ts'
import { FakeServer, json, type Seen } from '../../../../../test/fake-server.ts'
import { GateBench } from '../../../../../test/gate.ts'
import { FakeMesos } from '../../../../../test/mesos/fake-mesos.ts'
import type { Scheduler } from '../scheduler.ts'
import { parseMesosAddress } from './address.ts'
import { DcosLogin } from './dcos-login.ts'
import { mesosScheduler } from './mesos-scheduler.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const tls = selfSigned()
let master: FakeMesos
/** The part of DC/OS where accounts log in. */
let accounts: FakeServer
let scheduler: Scheduler
let asked: string[]

beforeAll(async () => {
  master = await FakeMesos.start({ tasks: [{ id: 'app.1' }], authorization: 'token=granted' }, { tls })
})
afterAll(() => master.kill())
beforeEach(async () => {
  asked = []
  accounts = await FakeServer.listen((response, seen) => {
    if (isGood(seen)) return json(response, 200, { token: 'granted' })
    return json(response, 401, { title: 'Unauthorized' })
  }, tls)
  scheduler = schedulerOf('vgm')
})
afterEach(async () => {
  await scheduler.close()
  await accounts.close()
})

function schedulerOf(uid: string): Scheduler {
  const originOf = (host: string) => {
    asked.push(host)
    return accounts.address
  }
  const dcos = new DcosLogin({ uid, key: privateKey, ca: tls.cert, timeoutMs: 1_000, originOf })
  return mesosScheduler({ address: parseMesosAddress(`https://${master.host}`), ca: tls.cert, timeoutMs: 1_000, dcos })
}

function isGood({ method, url, body }: Seen): boolean {
  const { uid, exp, token } = JSON.parse(body) as { uid: string; exp: number; token: string }
  const [head = '', claims = '', signature = ''] = token.split('.')
  const said = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { uid: string; exp: number }
  const signed = verify(
    'sha256',
    Buffer.from(`${head}.${claims}`),
    createPublicKey(privateKey),
    Buffer.from(signature, 'base64url'),
  )
  const young = said.exp > Date.now() / 1000 && said.exp <= Date.now() / 1000 + 300
  return (
    method === 'POST' &&
    url === '/acs/api/v1/auth/login' &&
    uid === 'vgm' &&
    said.uid === uid &&
    exp === 0 &&
    signed &&
    young
  )
}

const lookup = (id: string) => scheduler.lookup(scheduler.parseTaskId(id), { address: '' }, AbortSignal.timeout(20_000))

test('a task is asked for with the token of a login; many at once log in once', async () => {
  const tasks = await Promise.all(Array.from({ length: 8 }, () => lookup('app.1')))
  for (const task of tasks) expect(task).toMatchObject({ id: 'app.1', name: 'app', group: 'marathon' })
  await expect(lookup('app.2')).rejects.toMatchObject({ code: 'task_not_found' })
  expect(accounts.seen).toHaveLength(1)
  expect(asked).toEqual(['127.0.0.1'])
  expect(scheduler.name).toBe('dcosee-mesos')
})

test('a task that asks by both names of its cluster gets one token, and the second request is an alarm', async () => {
  const open = await FakeMesos.start({ tasks: [{ id: 'app.1' }] }, { tls })
  const options = { address: parseMesosAddress(`https://${open.host}`), ca: tls.cert, timeoutMs: 1_000 }
  const dcos = new DcosLogin({ uid: 'vgm', key: privateKey, ca: tls.cert, originOf: () => accounts.address })
  const schedulers = [mesosScheduler(options), mesosScheduler({ ...options, dcos })]
  const bench = await GateBench.start({ schedulers })
  try {
    expect(await bench.outcome('app.1', { scheduler: 'dcosee-mesos' })).toBe('token')
    expect(await bench.outcome('app.1', { scheduler: 'mesos' })).toBe('task_served')
    expect(bench.alarms).toMatchObject([{ alarm: 'second_request', scheduler: 'mesos', task: 'app.1' }])
  } finally {
    await bench.close()
    for (const one of schedulers) await one.close()
    await open.kill()
  }
})

test('a login is used for minutes, and not for days', async () => {
  const now = performance.now.bind(performance)
  let ahead = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead)
  try {
    await lookup('app.1')
    ahead = 290_000
    await lookup('app.1')
    expect(accounts.seen).toHaveLength(1)
    ahead = 310_000
    await lookup('app.1')
    expect(accounts.seen).toHaveLength(2)
  } finally {
    clock.mockRestore()
  }
})

test('an account that DC/OS does not know: no answer, and the reason', async () => {
  await scheduler.close()
  scheduler = schedulerOf('other')
  await expect(lookup('app.1')).rejects.toMatchObject({
    code: 'scheduler_unavailable',
    detail: 'DC/OS refuses the login',
  })
})

test.each([
  ['no JSON', 200, 'canary', 'scheduler_lied'],
  ['no token', 200, '{}', 'scheduler_lied'],
  ['null', 200, 'null', 'scheduler_lied'],
  ['a token that forges headers', 200, '{"token":"a\\r\\nx: y"}', 'scheduler_lied'],
  ['a redirect', 302, '{"token":"granted"}', 'scheduler_lied'],
  ['a fault', 500, '{"token":"granted"}', 'scheduler_unavailable'],
])('%s is no login', async (_, status, body, code) => {
  await master.tell({})
  accounts.answer = response => response.writeHead(status, { location: accounts.address }).end(body)
  await expect(lookup('app.1')).rejects.toMatchObject({ code })
  expect(await master.tell({})).toEqual([])
})
