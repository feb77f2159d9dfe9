import { expect, test } from 'vitest'
import { WritError } from '../../../../protocol/errors.ts'
import type { Caller } from '../scheduler.ts'
import { type JobTask, writScheduler } from './writ-scheduler.ts'

const ID = '0123456789abcdef01234567'
const CONTAINER = 'a1'.repeat(32)
const running: JobTask = {
  id: ID,
  status: 'running',
  qname: 'deploy',
  image: 'registry/deploy:1',
  startedAt: new Date(),
  killed: false,
  container: CONTAINER,
}
const code = (name: string) => expect.objectContaining({ code: name })

async function lookup(job: Partial<JobTask> | null, caller: Caller = { address: '172.17.0.2' }) {
  const scheduler = writScheduler(async () => job && { ...running, ...job })
  return await scheduler.lookup(scheduler.parseTaskId(ID), caller, AbortSignal.timeout(10_000))
}
const from = (container: string | null): Caller => ({ address: '', peer: { pid: 1, uid: 0, gid: 0, container } })

test('a job that runs, by the name of its queue', async () => {
  expect(await lookup({})).toEqual({
    id: ID,
    name: 'deploy',
    image: 'registry/deploy:1',
    startedAt: running.startedAt,
    state: 'running',
    meta: { container: CONTAINER },
  })
})

test.each<[Partial<JobTask> | null, string]>([
  [null, 'task_not_found'],
  [{ status: 'queued', startedAt: null, container: null }, 'task_not_started'],
  [{ startedAt: null }, 'task_not_started'],
  [{ container: null }, 'task_not_started'],
  [{ status: 'stopping' }, 'task_ended'],
  [{ killed: true }, 'task_ended'],
  [{ status: 'success' }, 'task_ended'],
  [{ status: 'failed' }, 'task_ended'],
  [{ status: 'notauthorised' }, 'task_ended'],
  [{ status: 'unknown' }, 'task_ended'],
  [{ id: 'f'.repeat(24) }, 'scheduler_lied'],
])('%j', async (job, expected) => {
  await expect(lookup(job)).rejects.toEqual(code(expected))
})

test('on a Unix socket it must be the container of the job', async () => {
  expect(await lookup({}, from(CONTAINER))).toMatchObject({ id: ID })
  await expect(lookup({}, from('b2'.repeat(32)))).rejects.toEqual(code('task_foreign'))
  await expect(lookup({}, from(null))).rejects.toEqual(code('task_foreign'))
  await expect(lookup({}, { address: '' })).rejects.toEqual(code('task_foreign'))
})

test('a store that hangs or is away', async () => {
  const hanging = writScheduler(() => new Promise(() => {}))
  const asked = hanging.lookup(hanging.parseTaskId(ID), { address: 'x' }, AbortSignal.timeout(100))
  await expect(asked).rejects.toEqual(code('scheduler_unavailable'))
  const away = writScheduler(() => Promise.reject(new WritError('store_unavailable')))
  await expect(away.lookup(away.parseTaskId(ID), { address: 'x' }, AbortSignal.timeout(100))).rejects.toEqual(
    code('store_unavailable'),
  )
})

test.each(['', ID.slice(1), `${ID}0`, ID.toUpperCase(), `${ID}\n`, `../${ID}`, 'g'.repeat(24)])('no id: %#', id => {
  const scheduler = writScheduler(async () => running)
  expect(() => scheduler.parseTaskId(id)).toThrowError(code('task_id_invalid'))
})
