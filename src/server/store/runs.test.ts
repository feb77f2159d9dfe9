import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { HoldLost, noteBegun } from './runs.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

const stageOf = async (id: string) =>
  (await t.engine.db.selectFrom('jobs').select('stage').where('id', '=', id).executeTakeFirstOrThrow()).stage

test('that a job has its secrets is noted by who holds it, while it runs, and by nobody else', async () => {
  const { hold } = await t.claim()
  for (const other of [
    { ...hold, node: 'other' },
    { ...hold, attempt: 2 },
  ]) {
    await expect(noteBegun(t.engine.db, other)).rejects.toThrow(HoldLost)
  }
  expect(await stageOf(hold.id)).toBe('preparing')
  await noteBegun(t.engine.db, hold)
  expect(await stageOf(hold.id)).toBe('running')
  const outcome = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const
  await t.engine.recorder.end({ hold, outcome })
  await expect(noteBegun(t.engine.db, hold)).rejects.toThrow(HoldLost)
})

test('and what the same connection does next waits for the disk again', async () => {
  const { hold } = await t.claim()
  await t.engine.db.connection().execute(async db => {
    await noteBegun(db, hold)
    const { rows } = await sql<{ synchronous_commit: string }>`show synchronous_commit`.execute(db)
    expect(rows).toEqual([{ synchronous_commit: 'on' }])
  })
})
