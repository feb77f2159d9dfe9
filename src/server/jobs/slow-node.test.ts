import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureBusyboxImage } from '../../../test/busybox-image.ts'
import { DockerFixture } from '../../../test/docker-fixture.ts'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { EngineProxy } from '../../../test/engine-proxy.ts'
import { WritError } from '../../protocol/errors.ts'
import { dockerRuntime } from '../runtimes/docker/docker-runtime.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { reclaimJobs } from '../store/claims.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { HoldLost, updateRun } from '../store/runs.ts'
import { containerName } from './container.ts'
import { makeOrder } from './order.ts'
import { runJob } from './run.ts'
import { seal } from './sealed.ts'

/* A node that stands still for longer than its lease, in the middle of something, and goes on when another one has its job. */

const docker = new DockerFixture()
const never = new AbortController().signal
const settings = { jobMemory: 64 << 20, jobPids: 50, jobCpus: 0, vaultAddr: '', maxJobMemory: 0, maxJobPids: 0 }
let t: TestEngine
let image: string

beforeAll(async () => {
  image = await ensureBusyboxImage()
  t = await startTestEngine({ ...settings, maxJobCpus: 0, killGraceSeconds: 1 })
})
afterAll(async () => {
  for (const { id } of await t.engine.db.selectFrom('jobs').select('id').execute()) {
    await docker.runtime.remove(containerName(id))
  }
  await t.close()
})

type Step = 'create' | 'start' | 'removeUnstarted' | 'remove' | 'began'

/** A node that stands still before its first `step` until it is told to go on. */
function slowNode(node: string, step: Step, runtime = docker.runtime) {
  const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let first = true
  const slow =
    (action: (...given: never[]) => unknown) =>
    async (...given: never[]) => {
      if (first) {
        first = false
        reached.resolve()
        await goOn.promise
      }
      return await action(...given)
    }
  const engine = t.node(node, { ...runtime, [step]: slow(runtime[step] as never) } as Runtime)
  return { engine, reached: reached.promise, goOn: () => goOn.resolve() }
}

async function queued(script: string) {
  const order = await makeOrder({ container_image: image, run: ['sh', '-c', script], vault_token: 'none' })
  const [sealedSpec = '', sealedToken = ''] = await seal(t.engine, [JSON.stringify(order), 'token'])
  return await t.claim({ sealedSpec, sealedToken, image })
}

async function takenOver(id: string, node: string): Promise<Job> {
  await t.engine.db
    .updateTable('jobs')
    .set({ lease_until: new Date(0) })
    .where('id', '=', id)
    .execute()
  const job = (await reclaimJobs(t.engine.db, node, 100, 60_000)).find(one => one.id === id)
  if (!job) throw new Error('it was not taken over')
  return job
}

const nextNode = () => t.node('node-2', docker.runtime)
const run = (engine: ReturnType<typeof nextNode>, job: Job, lost = never) =>
  runJob(engine, job, { lost, killed: never })

/** The container that a node left which took one that was started in advance, or died before it gave it its job. */
async function leftBehind(job: Job, started: boolean): Promise<string> {
  const spec = docker.spec(['true'], { name: containerName(job.id) })
  const id = (await docker.runtime.create(spec)) ?? ''
  if (started) await docker.engine.json('POST', `/containers/${id}/start`)
  return id
}

describe('when the other node has ended the job, what it makes then is not left over', () => {
  /** Both have made one. */
  async function nothingLeft(id: string, since: number) {
    await expect.poll(() => created(id, since), { timeout: 10_000 }).toBe(2)
    await expect.poll(() => docker.runtime.find(containerName(id))).toBeNull()
  }

  test('when it does not know of that yet', async () => {
    const since = Math.floor(Date.now() / 1000)
    const { hold, job } = await queued('echo once')
    const slow = slowNode('node-1', 'create')
    const slowRun = run(slow.engine, job).catch(error => error)
    await slow.reached
    await run(nextNode(), await takenOver(hold.id, 'node-2'))
    expect(await findJob(t.engine.db, hold.id)).toMatchObject({ status: 'success', released_at: expect.any(Date) })
    slow.goOn()
    expect(await slowRun).toBeInstanceOf(HoldLost)
    await nothingLeft(hold.id, since)
  })

  test('when it hears of that while the engine is at it, and does not wait for it', async () => {
    const since = Math.floor(Date.now() / 1000)
    const { hold, job } = await queued('echo once')
    const proxy = await new EngineProxy().open()
    const own = dockerRuntime({ host: proxy.host })
    const slow = slowNode('node-1', 'create', own)
    const lost = new AbortController()
    const slowRun = run(slow.engine, job, lost.signal).catch(error => error)
    await slow.reached
    await run(nextNode(), await takenOver(hold.id, 'node-2'))
    const answered = proxy.delayAnswer(/containers\/create/)
    slow.goOn()
    const passOn = await answered
    lost.abort(new Error('lost'))
    expect(await slowRun).toBe(lost.signal.reason)
    passOn()
    await nothingLeft(hold.id, since)
    await own.close()
    await proxy.close()
  })
})

test.each([
  ['that was never started', 'removeUnstarted', false],
  ['that was started in advance', 'remove', true],
] as const)(
  'a container of an earlier attempt %s is removed, and not the one in its place',
  async (_, step, started) => {
    const { hold, job } = await queued('echo once')
    const old = await leftBehind(job, started)
    const slow = slowNode('node-1', step)
    const slowRun = run(slow.engine, job).catch(error => error)
    await slow.reached
    const next = slowNode('node-2', 'start')
    const done = run(next.engine, await takenOver(hold.id, 'node-2'))
    await next.reached
    expect(await docker.runtime.find(old)).toBeNull()
    slow.goOn()
    expect(await slowRun).toBeInstanceOf(HoldLost)
    next.goOn()
    await done
    expect(await findJob(t.engine.db, hold.id)).toMatchObject({ status: 'success', return_code: 0 })
    expect(await outputOf(hold.id)).toBe('once\n')
  },
)

test('the gate of the container in its place goes on waiting for its secrets', async () => {
  const { hold, job } = await queued('echo once')
  const old = await leftBehind(job, true)
  await updateRun(t.engine.db, hold, { stage: 'starting' })
  const slow = slowNode('node-1', 'began')
  const slowRun = run(slow.engine, await takenOver(hold.id, 'node-1')).catch(error => error)
  await slow.reached
  // the other node, between the start of its container and the secrets
  await docker.runtime.remove(old)
  const { id, name } = await docker.create(['sh', '-c', 'echo ran'], { name: containerName(hold.id) })
  await docker.engine.json('POST', `/containers/${id}/start`)
  await takenOver(hold.id, 'node-2')
  slow.goOn()
  await slowRun
  expect(await docker.runtime.find(name)).toMatchObject({ id, phase: 'running' })
  await docker.runtime.remove(id)
})

test('a job whose container was removed unstarted is started again, whatever was away in between', async () => {
  const { hold, job } = await queued('echo once')
  await leftBehind(job, false)
  await updateRun(t.engine.db, hold, { stage: 'starting' })
  const engine = nextNode()
  let away = true
  const flaky: Runtime = {
    ...docker.runtime,
    async create(...given) {
      if (!away) return await docker.runtime.create(...given)
      away = false
      throw new WritError('vault_unavailable')
    },
  }
  await run({ ...engine, runtime: flaky }, await takenOver(hold.id, 'node-2'))
  expect(await findJob(t.engine.db, hold.id)).toMatchObject({ status: 'success', error_code: '' })
  expect(await outputOf(hold.id)).toBe('once\n')
})

async function outputOf(id: string): Promise<string> {
  const rows = await t.engine.db.selectFrom('output').selectAll().where('job_id', '=', id).orderBy('start').execute()
  return Buffer.concat(rows.filter(({ stream }) => stream === 'stdout').map(({ data }) => data)).toString()
}

/** How many containers of that job the engine has made since. */
async function created(id: string, since: number): Promise<number> {
  const filters = JSON.stringify({ type: ['container'], event: ['create'], container: [containerName(id)] })
  const query = { since, until: (Date.now() / 1000).toFixed(3), filters }
  const { body } = await docker.engine.stream('GET', '/events', { query })
  let text = ''
  for await (const chunk of body) text += chunk
  return text.split('\n').filter(line => line.trim()).length
}
