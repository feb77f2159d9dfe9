import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { Worker } from './worker.ts'

let t: TestEngine
const workers: Worker[] = []
const cleared: string[] = []

beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(async () => {
  for (const worker of workers) await worker.stop()
  await t.close()
})

function startWorker(name: string): Worker {
  const clearAfter = async (gone: ReadonlySet<string>) => void cleared.push(...gone)
  const worker = new Worker(t.node(name, { clearAfter, list: async () => [], tidy: async () => {} }))
  workers.push(worker)
  worker.start()
  return worker
}

test('what a node kept for jobs to come is cleared away by another as soon as it is gone, however it went', async () => {
  const dead = t.node('dead')
  await dead.pulse.beat()
  expect(dead.pulse.alive).toBe(true)
  const told = startWorker('told')
  await expect.poll(() => t.engine.db.selectFrom('nodes').selectAll().execute(), { timeout: 10_000 }).toHaveLength(2)
  startWorker('lives')
  await told.stop()
  await expect.poll(() => new Set(cleared), { timeout: 10_000 }).toEqual(new Set(['dead', 'told']))
  expect(dead.pulse.alive).toBe(false)
})
