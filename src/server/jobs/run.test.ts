import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { WritError } from '../../protocol/errors.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { claimJobs } from '../store/claims.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { makeOrder } from './order.ts'
import { runJob } from './run.ts'
import { seal } from './sealed.ts'
import type { JobSource } from './source.ts'

let t: TestEngine

beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

/** Runs a job on an engine of which these parts are faked: failures that no real one shows when asked. */
async function run(runtime: Partial<Runtime>, killed = new AbortController().signal) {
  const order = await makeOrder({ container_image: 'busybox', run: ['true'] })
  const [sealedSpec = '', sealedToken = ''] = await seal(t.engine, [JSON.stringify(order), 'token'])
  const id = await t.queue({ sealedSpec, sealedToken })
  const engine = t.node('node-1', { remove: async () => {}, find: async () => null, ...runtime })
  const [job] = await claimJobs(engine.db, 'node-1', 1, 60_000)
  if (job?.id !== id) throw new Error('another job was claimed')
  await runJob(engine, job, { lost: new AbortController().signal, killed })
  return await findJob(engine.db, id)
}

test('a defect of our own ends the job, and does not keep its queue waiting for ever', async () => {
  const job = await run({
    image: async () => {
      throw new TypeError('undefined is not a function')
    },
  })
  expect(job).toMatchObject({ status: 'failed', error_code: 'internal' })
  // what went wrong is for the log, not for whoever reads the job
  expect(job?.error_text).not.toContain('undefined is not')
  expect(t.log.join('')).toContain('undefined is not a function')
  expect(job?.released_at).not.toBeNull()
})

test('a peer that is away is waited for', async () => {
  let asked = 0
  const job = await run({
    image: async (_ref, policy) => {
      if (policy !== 'Never') asked += 1
      throw new WritError(asked < 3 ? 'runtime_unavailable' : 'image_not_found')
    },
  })
  expect(asked).toBe(3)
  expect(job).toMatchObject({ status: 'failed', error_code: 'image_not_found' })
})

test('what the source of a job needs is not waited for at the cost of other jobs', async () => {
  const image = { id: 'i', digest: 'd', entrypoint: [], command: [], metadata: null }
  let asked = 0
  const ends: string[] = []
  const source: JobSource = {
    patienceMs: 600,
    prepare: async () => {
      asked += 1
      throw new WritError('repository_unreachable', 'interrupted')
    },
    prepareKubernetes: async () => {
      throw new WritError('internal')
    },
    secrets: async () => ({ env: new Map(), masks: new Map() }),
    ended: async (_tx, _job, outcome) => void ends.push(outcome.errorCode),
    release: async () => {},
  }
  const order = await makeOrder({ container_image: 'busybox', run: ['true'] })
  const [sealedSpec = ''] = await seal(t.engine, [JSON.stringify({ order, detail: null })])
  const id = await t.queue({ sealedSpec, form: 'watch', sealedToken: null, tokenAccessor: null })
  const engine = {
    ...t.node('node-1', { remove: async () => {}, find: async () => null, image: async () => image }),
    source,
  }
  const [job] = await claimJobs(engine.db, 'node-1', 1, 60_000)
  const never = new AbortController().signal
  await runJob(engine, job as Job, { lost: never, killed: never })
  // once more after a pause, and again after a longer one
  expect(asked).toBeGreaterThan(1)
  expect(ends).toEqual(['repository_unreachable'])
  expect(await findJob(engine.db, id)).toMatchObject({ status: 'failed', error_code: 'repository_unreachable' })
})

test('a container that was to be started and is gone: unknown, and never a second start', async () => {
  let started = 0
  const image = { id: 'i', digest: 'd', entrypoint: [], command: [], metadata: null }
  const job = await run({
    image: async () => image,
    create: async () => 'c1',
    start: async () => {
      started += 1
      throw new WritError('runtime_unavailable')
    },
  })
  expect(started).toBe(1)
  expect(job).toMatchObject({ status: 'unknown', error_code: 'container_lost' })
})

test.each(['running', 'exited'] as const)(
  'a container that was started in advance and got no job (%s) is not the end of it',
  async phase => {
    const image = { id: 'i', digest: 'd', entrypoint: [], command: [], metadata: null }
    const removed: string[] = []
    let [made, left] = [0, true]
    const job = await run({
      image: async () => image,
      // as a node leaves it that took one and died: the first look finds the name taken
      create: async () => {
        made += 1
        return left ? null : 'c1'
      },
      find: async name => (left ? { name, id: 'w', labels: {}, phase, exit: null } : null),
      remove: async name => {
        removed.push(name)
        left = false
      },
      removeUnstarted: async () => false,
      start: async () => ({
        output: (async function* () {})(),
        exit: Promise.resolve({ code: 0, outOfMemory: false }),
      }),
    })
    expect(job).toMatchObject({ status: 'success', return_code: 0 })
    // once before the job, once after it
    expect([made, removed.length]).toEqual([2, 2])
  },
)

test('killed while its container is being made: that goes with the rest', async () => {
  const image = { id: 'i', digest: 'd', entrypoint: [], command: [], metadata: null }
  const kill = new AbortController()
  const containers = new Set<string>()
  const job = await run(
    {
      image: async () => image,
      // as an engine does it: whoever asked may be gone, and the container is made all the same
      create: async (spec, signal) => {
        const made = sleep(200).then(() => containers.add(spec.name))
        kill.abort(new WritError('job_killed'))
        const gone = new Promise<never>((_, reject) => {
          if (signal?.aborted) reject(signal.reason)
        })
        await Promise.race([made, gone])
        return 'c1'
      },
      remove: async name => void containers.delete(name),
    },
    kill.signal,
  )
  await sleep(300)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_killed' })
  expect([...containers]).toEqual([])
})
