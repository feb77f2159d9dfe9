import { pino } from 'pino'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { FakeServer } from '../../../test/fake-server.ts'
import { type Alarm, Alarms } from './alarms.ts'

let receiver: FakeServer
let lines: string[]
afterEach(() => receiver.close())

const alarm = (task: string): Alarm => ({
  alarm: 'second_request',
  scheduler: 'mesos',
  task,
  name: 'app',
  address: '192.0.2.7',
})

/** A receiver that gives these statuses one after the other, and then 204. */
async function start(...statuses: number[]) {
  const got: { type: string | undefined; method: string; body: unknown }[] = []
  receiver = await FakeServer.listen((response, { method, headers, body }) => {
    got.push({ method, type: headers['content-type'], body: JSON.parse(body ?? '') })
    response.writeHead(statuses.shift() ?? 204).end()
  })
  lines = []
  const log = pino({ level: 'info' }, { write: line => lines.push(line) })
  return { got, alarms: new Alarms(log, `${receiver.address}/hook`) }
}

test('a receiver is told once of the same alarm about the same task, and each is counted and logged', async () => {
  const { got, alarms } = await start()
  for (const task of ['a', 'a', 'b', 'a']) alarms.raise(alarm(task))
  await alarms.close()
  const at = expect.stringMatching(/^20.*Z$/)
  expect(got).toHaveLength(2)
  expect(got).toEqual(
    expect.arrayContaining([
      { method: 'POST', type: 'application/json', body: { ...alarm('a'), at } },
      { method: 'POST', type: 'application/json', body: { ...alarm('b'), at } },
    ]),
  )
  expect(alarms.count).toBe(4)
  expect(lines).toHaveLength(4)
})

test('a receiver that fails is told again, three times in all, and then the log says so', async () => {
  const { got, alarms } = await start(500, 302, 503, 500)
  alarms.raise(alarm('a'))
  await alarms.close()
  expect(got).toHaveLength(3)
  expect(lines.join('')).toContain('an alarm could not be sent')
})

test('the address of a receiver is told as it is', async () => {
  receiver = await FakeServer.listen(response => response.writeHead(204).end())
  const alarms = new Alarms(pino({ level: 'silent' }), `${receiver.address}/hook/a%20b?key=1&to=x`)
  alarms.raise(alarm('a'))
  await alarms.close()
  expect(receiver.seen.map(({ url }) => url)).toEqual(['/hook/a%20b?key=1&to=x'])
})

test('a receiver that was away for a moment gets it', async () => {
  const { got, alarms } = await start(503)
  alarms.raise(alarm('a'))
  await alarms.close()
  expect(got).toHaveLength(2)
  expect(lines.join('')).not.toContain('could not be sent')
})

test('a thousand at once: a bounded number is sent', async () => {
  const { got, alarms } = await start()
  for (let n = 0; n < 1_000; n++) alarms.raise(alarm(`task-${n}`))
  await alarms.close()
  expect(got.length).toBeGreaterThan(0)
  expect(got.length).toBeLessThanOrEqual(100)
  expect(alarms.count).toBe(1_000)
})

test('a task that repeats its alarm does not keep the alarm of another out of the log', async () => {
  const { alarms } = await start()
  for (let times = 0; times < 3_000; times += 1) alarms.raise(alarm('noisy'))
  alarms.raise(alarm('quiet'))
  await alarms.close()
  const raised = lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'alarm')
  expect(raised.filter(({ task }) => task === 'quiet')).toHaveLength(1)
  expect(raised.length).toBeLessThan(2_000)
  // and what got no line is told before the end
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ without: { second_request: expect.any(Number) } })
})

describe('the same', () => {
  const alarm = { alarm: 'second_request', scheduler: 'mesos', task: 't', name: 'app', address: '10.0.0.1' } as const
  const silent = pino({ level: 'silent' })

  test('is of one kind, one scheduler and one task', async () => {
    const audited: Alarm[] = []
    const alarms = new Alarms(silent, null, async one => void audited.push(one))
    const others = [{ alarm: 'foreign_task' as const }, { scheduler: 'ecs' }, { task: 'u' }]
    for (const other of [{}, ...others, {}, ...others]) alarms.raise({ ...alarm, ...other })
    await alarms.close()
    expect(audited).toEqual([alarm, ...others.map(other => ({ ...alarm, ...other }))])
  })

  test('is told again after a minute, and not before', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    let audited = 0
    const alarms = new Alarms(silent, null, async () => {
      audited += 1
    })
    const seen = []
    for (const ms of [0, 59_999, 1, 30_000, 30_000]) {
      vi.advanceTimersByTime(ms)
      alarms.raise(alarm)
      seen.push(audited)
    }
    vi.useRealTimers()
    await alarms.close()
    expect(seen).toEqual([1, 1, 2, 2, 3])
  })
})

test('a trail that is away: hundreds of alarms, one after another, are each tried', async () => {
  let tried = 0
  const alarms = new Alarms(pino({ level: 'silent' }), null, async () => {
    tried += 1
    throw new Error('away')
  })
  for (let n = 0; n < 300; n++) {
    alarms.raise({ alarm: 'foreign_task', scheduler: 'mesos', task: `t${n}`, name: '', address: '' })
    await new Promise(setImmediate)
  }
  await alarms.close()
  expect(tried).toBe(300)
})
