import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { selfSigned } from '../../../../../test/certificate.ts'
import { FakeMesos } from '../../../../../test/mesos/fake-mesos.ts'
import { type MasterState, QUIET } from '../../../../../test/mesos/master.ts'
import type { Scheduler, Task } from '../scheduler.ts'
import { parseMesosAddress } from './address.ts'
import { mesosScheduler } from './mesos-scheduler.ts'

const master = await FakeMesos.start()
const standby = await FakeMesos.start()
const opened: Scheduler[] = []
beforeEach(async () => {
  await Promise.all([master.tell(QUIET), standby.tell({ ...QUIET, leads: false, leader: master.host })])
})
afterEach(async () => {
  for (const scheduler of opened.splice(0)) await scheduler.close()
})
afterAll(async () => {
  await Promise.all([master.kill(), standby.kill()])
})

function of(address: string, more: { ca?: string; timeoutMs?: number } = {}): Scheduler {
  const scheduler = mesosScheduler({ address: parseMesosAddress(address), timeoutMs: 1_000, ...more })
  opened.push(scheduler)
  return scheduler
}
const one = () => of(`http://${master.host}`)
const two = () => of(`http://${standby.host},${master.host}`)

async function lookup(scheduler: Scheduler, id: string): Promise<Task> {
  return await scheduler.lookup(scheduler.parseTaskId(id), { address: '' }, AbortSignal.timeout(20_000))
}
const code = (name: string, detail?: string) =>
  expect.objectContaining(detail ? { code: name, detail } : { code: name })
const running = { id: 'app.5b3c-11', image: 'registry/app:1' }

test('a task that runs', async () => {
  await master.tell({ tasks: [running, { id: 'other' }] })
  const task = await lookup(one(), running.id)
  expect(task).toMatchObject({
    id: running.id,
    name: 'app',
    group: 'marathon',
    image: 'registry/app:1',
    state: 'running',
    addresses: ['10.0.0.5'],
    meta: { framework: 'F-1', agent: 'A-1' },
  })
  expect(Date.now() - task.startedAt.getTime()).toBeGreaterThan(1_900)
  expect(Math.abs(Date.now() - (task.now?.getTime() ?? 0))).toBeLessThan(5_000)
})

test('one request for a task, and one more a minute for who there is', async () => {
  await master.tell({ tasks: [running] })
  const scheduler = one()
  for (let i = 0; i < 3; i++) await lookup(scheduler, running.id)
  expect(await master.tell({})).toEqual([
    '/tasks?task_id=app.5b3c-11',
    '/state-summary',
    '/tasks?task_id=app.5b3c-11',
    '/tasks?task_id=app.5b3c-11',
  ])
})

describe.each(['modern', 'old'] as const)('%s masters', dialect => {
  const tell = (state: Partial<MasterState>) => master.tell({ dialect, ...state })

  test('what a scheduler says of a task', async () => {
    await tell({
      tasks: [{ id: 'a', state: 'TASK_STARTING', statuses: [{ state: 'TASK_STARTING', ago: 1 }] }, { id: 'z' }],
    })
    expect(await lookup(one(), 'a')).toMatchObject({ id: 'a', group: 'marathon', state: 'starting' })
    await expect(lookup(one(), 'b')).rejects.toEqual(code('task_not_found'))
  })

  test.each([
    'TASK_FINISHED',
    'TASK_FAILED',
    'TASK_KILLED',
    'TASK_KILLING',
    'TASK_LOST',
    'TASK_ERROR',
    'TASK_DROPPED',
    'TASK_GONE',
    'TASK_UNREACHABLE',
    'TASK_UNKNOWN',
    'TASK_GONE_BY_OPERATOR',
    'TASK_OF_TOMORROW',
    '',
  ])('a task that is still listed as %s gets nothing', async state => {
    await tell({ tasks: [{ id: 'a', state }, { id: 'z' }] })
    await expect(lookup(one(), 'a')).rejects.toEqual(code('task_ended'))
  })

  test('an id of two frameworks is nobody; of one that has ended and one that runs it is the latter', async () => {
    const frameworks = { 'F-1': 'marathon', 'F-2': 'intruder' }
    const ended = { id: 'a', state: 'TASK_FINISHED', framework: 'F-1' }
    await tell({ frameworks, tasks: [{ id: 'a', framework: 'F-1' }, { id: 'a', framework: 'F-2' }, { id: 'z' }] })
    await expect(lookup(one(), 'a')).rejects.toEqual(code('task_foreign'))
    await tell({ frameworks, tasks: [ended, { id: 'a', framework: 'F-2' }, { id: 'z' }] })
    expect(await lookup(one(), 'a')).toMatchObject({ group: 'intruder' })
  })

  test('one of several that does not lead', async () => {
    await tell({ tasks: [running, { id: 'z' }] })
    await standby.tell({ dialect, leads: false, leader: master.host })
    expect(await lookup(two(), running.id)).toMatchObject({ id: running.id })
    await expect(lookup(two(), 'unknown')).rejects.toEqual(code('task_not_found'))
  })

  test('nobody leads', async () => {
    await tell({ leads: false, leader: null, tasks: [{ id: 'z' }] })
    await standby.tell({ dialect, leads: false, leader: null, tasks: [{ id: 'z' }] })
    await expect(lookup(two(), 'a')).rejects.toEqual(code('scheduler_unavailable'))
  })
})

test('the first status counts, and one that a health check has renewed does not make a task young', async () => {
  const statuses = [
    { state: 'TASK_STARTING', ago: 500 },
    { state: 'TASK_RUNNING', ago: 1 },
  ]
  await master.tell({ tasks: [{ id: 'a', statuses }] })
  expect(Date.now() - (await lookup(one(), 'a')).startedAt.getTime()).toBeGreaterThan(499_000)
})

test('a task that has not started is waited for, a little', async () => {
  await master.tell({ tasks: [{ id: 'a', state: 'TASK_STAGING', statuses: [] }] })
  const later = setTimeout(() => void master.tell({ tasks: [{ id: 'a' }] }), 700)
  expect(await lookup(one(), 'a')).toMatchObject({ id: 'a', state: 'running' })
  clearTimeout(later)
  await master.tell({ tasks: [{ id: 'a', statuses: [] }] })
  const start = Date.now()
  await expect(lookup(one(), 'a')).rejects.toEqual(code('task_not_started'))
  expect(Date.now() - start).toBeLessThan(6_000)
})

test('who is not known is asked for once, and who has not started four times', async () => {
  const asked = async () => (await master.tell({})).filter(path => path.startsWith('/tasks')).length
  await expect(lookup(one(), 'nobody')).rejects.toEqual(code('task_not_found'))
  expect(await asked()).toBe(1)
  await master.tell({ tasks: [{ id: 'a', statuses: [] }] })
  await expect(lookup(one(), 'a')).rejects.toEqual(code('task_not_started'))
  expect(await asked()).toBe(4)
  await master.tell({ fault: 500 })
  await expect(lookup(one(), 'a')).rejects.toEqual(code('scheduler_unavailable'))
  expect(await asked()).toBe(1)
})

test('tasks that a master only remembers have ended', async () => {
  await master.tell({ dialect: 'old', tasks: [{ id: 'z' }] })
  await expect(lookup(one(), 'a')).rejects.toEqual(code('task_not_found'))
  await master.tell({ dialect: 'old', tasks: [{ id: 'a', state: 'TASK_FINISHED' }] })
  await expect(lookup(one(), 'a')).rejects.toEqual(code('task_ended'))
})

describe('masters that fail or lie', () => {
  test.each<[MasterState['fault'], string]>([
    ['stall', 'scheduler_unavailable'],
    ['drip', 'scheduler_unavailable'],
    ['cut', 'scheduler_unavailable'],
    ['loop', 'scheduler_unavailable'],
    [500, 'scheduler_unavailable'],
    [503, 'scheduler_unavailable'],
    [401, 'scheduler_unavailable'],
    [403, 'scheduler_unavailable'],
    [201, 'scheduler_lied'],
    [204, 'scheduler_lied'],
    [404, 'scheduler_lied'],
    ['endless', 'scheduler_lied'],
    ['garbage', 'scheduler_lied'],
    ['empty', 'scheduler_lied'],
    ['types', 'scheduler_lied'],
    ['others', 'scheduler_lied'],
  ])('%s', async (fault, expected) => {
    await master.tell({ fault, tasks: [running] })
    const start = Date.now()
    await expect(lookup(one(), running.id)).rejects.toEqual(code(expected))
    expect(Date.now() - start).toBeLessThan(8_000)
  })

  test('a task of a framework that the cluster does not have', async () => {
    await master.tell({ tasks: [{ id: 'a', framework: 'F-9' }] })
    await expect(lookup(one(), 'a')).rejects.toEqual(code('scheduler_lied'))
  })

  test.each([1e12, -1e300])('a status of %d seconds ago', async ago => {
    await master.tell({ tasks: [{ id: 'a', statuses: [{ state: 'TASK_RUNNING', ago }] }] })
    await expect(lookup(one(), 'a')).rejects.toEqual(code('scheduler_lied'))
  })

  test('one that is frozen, while another leads', async () => {
    await master.tell({ tasks: [running] })
    const scheduler = two()
    standby.freeze()
    try {
      expect(await lookup(scheduler, running.id)).toMatchObject({ id: running.id })
      // who led is asked first from now on
      const start = Date.now()
      await lookup(scheduler, running.id)
      expect(Date.now() - start).toBeLessThan(900)
    } finally {
      standby.thaw()
    }
  })

  test('a lost leader is not "no such task"', async () => {
    await standby.tell({ dialect: 'old', leads: false, leader: null })
    await master.tell({ fault: 'cut' })
    await expect(lookup(two(), 'a')).rejects.toEqual(code('scheduler_unavailable'))
  })

  test('an abort ends the wait', async () => {
    await master.tell({ fault: 'stall' })
    const scheduler = one()
    const start = Date.now()
    const asked = scheduler.lookup(scheduler.parseTaskId('a'), { address: '' }, AbortSignal.timeout(100))
    await expect(asked).rejects.toEqual(code('scheduler_unavailable', 'no answer in time'))
    expect(Date.now() - start).toBeLessThan(900)
  })
})

test('TLS with an authority of its own, never in clear, and no redirect leads out of it', async () => {
  const { cert, key } = selfSigned()
  const secure = await FakeMesos.start({ tasks: [running] }, { tls: { cert, key } })
  try {
    expect(await lookup(of(`https://${secure.host}`, { ca: cert }), running.id)).toMatchObject({ id: running.id })
    await expect(lookup(of(`https://${secure.host}`), running.id)).rejects.toEqual(code('scheduler_unavailable'))
    await expect(lookup(of(`https://${master.host}`, { ca: cert }), running.id)).rejects.toEqual(
      code('scheduler_unavailable'),
    )
    await master.tell({ tasks: [running] })
    await secure.tell({ leads: false, leader: master.host })
    await expect(lookup(of(`https://${secure.host}`, { ca: cert }), running.id)).rejects.toEqual(
      code('scheduler_unavailable'),
    )
  } finally {
    await secure.kill()
  }
})

test('a login goes to the masters that were named, and not to one that a redirect names', async () => {
  await master.tell({ login: 'gate:pass', tasks: [running] })
  expect(await lookup(of(`http://gate:pass@${master.host}`), running.id)).toMatchObject({ id: running.id })
  await expect(lookup(one(), running.id)).rejects.toEqual(code('scheduler_unavailable'))
  await expect(lookup(of(`http://gate:pass@${standby.host}`), running.id)).rejects.toEqual(
    code('scheduler_unavailable'),
  )
})

test.each([
  '',
  '.',
  '..',
  'a/b',
  '../a',
  'a\\b',
  'a\nb',
  'a\r\nSet-Cookie: x',
  'a\0',
  'ünï',
  'a\u202eb',
  'x'.repeat(256),
  'x'.repeat(10_240),
])('no id of Mesos: %#', id => expect(() => one().parseTaskId(id)).toThrowError(code('task_id_invalid')))

test('an id arrives as it was, whatever it means in a URL', async () => {
  const id = 'ct:1400:0:a job&task_id=b?#%2e%2e+c'
  await master.tell({ tasks: [{ id }, { id: 'b' }] })
  expect((await lookup(one(), id)).id).toBe(id)
})
