import { describe, expect, test } from 'vitest'
import type { Caller, Scheduler, Task } from './schedulers/scheduler.ts'
import { parseTaskId } from './schedulers/task-id.ts'
import type { GateSettings } from './settings.ts'
import { verifyTask } from './verify.ts'

const SETTINGS = { taskLifeMs: 120_000, clockSkewMs: 30_000, hostCheck: false } as GateSettings
const never = new AbortController().signal

/** What becomes of a task of which the scheduler says this. */
async function verdict(
  said: Partial<Task> | (() => Promise<Task>),
  { address = '10.0.0.1', settings = {} as Partial<GateSettings>, signal = never } = {},
): Promise<string> {
  const honest: Task = { id: 't', name: 'app', startedAt: new Date(), state: 'running', meta: {} }
  const scheduler: Scheduler = {
    name: 'test',
    parseTaskId: text => parseTaskId(text, /\w+/),
    lookup: typeof said === 'function' ? said : async () => ({ ...honest, ...said }),
    close: async () => {},
  }
  const caller: Caller = { address }
  return await verifyTask(scheduler, 't', caller, { ...SETTINGS, ...settings }, signal).then(
    () => 'fine',
    error => error.code ?? String(error),
  )
}

describe('names and ids', () => {
  const ODD = ['a\nb', 'a\0', 'a\u0085', 'a\u2028b', 'a\u2029b', 'a\u202a', 'a\u202e', 'a\u2066', 'a\u2069', 'a\ud800']

  test.each(ODD)('%j is none, in any place', async odd => {
    for (const said of [{ id: odd }, { name: odd }, { group: odd }, { image: odd }, { meta: { agent: odd } }])
      expect([said, await verdict(said)]).toEqual([said, 'scheduler_lied'])
  })

  test('of 512 characters, and no more', async () => {
    const [long, longer] = ['a'.repeat(512), 'a'.repeat(513)]
    const places = [
      (id: string) => ({ id }),
      (name: string) => ({ name }),
      (group: string) => ({ group }),
      (image: string) => ({ image }),
      (agent: string) => ({ meta: { agent } }),
    ]
    for (const said of places)
      expect([await verdict(said(long)), await verdict(said(longer))]).toEqual(['fine', 'scheduler_lied'])
  })

  test('that are empty: only what need not be there', async () => {
    expect(await verdict({ name: '' })).toBe('scheduler_lied')
    expect(await verdict({ group: '' })).toBe('scheduler_lied')
    expect(await verdict({ image: '' })).toBe('scheduler_lied')
    expect(await verdict({ id: '', meta: { agent: '' } })).toBe('fine')
  })
})

test('the age, to the millisecond', async () => {
  const aged = (ms: number) => verdict({ startedAt: new Date(1_000_000), now: new Date(1_000_000 + ms) })
  expect(await aged(120_000)).toBe('fine')
  expect(await aged(120_001)).toBe('task_too_old')
  expect(await aged(-30_000)).toBe('fine')
  expect(await aged(-30_001)).toBe('scheduler_lied')
})

describe('where it calls from', () => {
  const settings = { hostCheck: true }
  test.each<[string, string[] | undefined, string]>([
    ['10.0.0.1', ['10.0.0.1'], 'fine'],
    ['10.0.0.1', ['10.0.0.2', '10.0.0.1'], 'fine'],
    ['::ffff:10.0.0.1', ['10.0.0.1'], 'fine'],
    ['10.0.0.1', ['::FFFF:10.0.0.1'], 'fine'],
    ['fe80::ab', ['FE80::AB'], 'fine'],
    ['10.0.0.1', ['10.0.0.2'], 'task_foreign'],
    ['10.0.0.1', [], 'task_foreign'],
    ['10.0.0.1', undefined, 'task_foreign'],
    // over a Unix socket, of a scheduler that says nothing in many words
    ['', [''], 'task_foreign'],
    ['::ffff:ab', ['ab'], 'task_foreign'],
  ])('%s of %j: %s', async (address, addresses, expected) => {
    expect(await verdict(addresses ? { addresses } : {}, { address, settings })).toBe(expected)
  })

  test('is nobody’s business where the gate was not told to look', async () => {
    expect(await verdict({ addresses: ['10.9.9.9'] })).toBe('fine')
  })
})

describe('a scheduler that does not answer', () => {
  const hangs = () => new Promise<Task>(() => {})

  test('is not waited for once the time is over, nor if it was over before', async () => {
    const limit = new AbortController()
    const waiting = verdict(hangs, { signal: limit.signal })
    limit.abort()
    expect(await waiting).toBe('scheduler_unavailable')
    expect(await verdict(hangs, { signal: AbortSignal.abort() })).toBe('scheduler_unavailable')
  })

  test('or breaks, in words that are not repeated', async () => {
    expect(await verdict(async () => Promise.reject(new Error('canary')))).toBe('scheduler_unavailable')
  })
})
