import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { Secret } from '../../vault/secret.ts'
import type { ContainerSpec, ContainerState, Exit, Image, OutputFrame, Runtime } from '../runtimes/runtime.ts'
import { acceptJob } from '../store/accept.ts'
import { findJob, type NewJob } from '../store/jobs.ts'
import { makeOrder } from './order.ts'
import { Opened } from './prepare.ts'
import { seal } from './sealed.ts'
import { Worker } from './worker.ts'

let t: TestEngine
let containers: Containers
const workers: Worker[] = []

beforeAll(async () => {
  t = await startTestEngine()
})
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
  await t.engine.db.deleteFrom('jobs').execute()
  await t.engine.db.deleteFrom('nodes').execute()
})
afterAll(() => t.close())

interface Container {
  readonly spec: ContainerSpec
  phase: ContainerState['phase']
  readonly done: PromiseWithResolvers<Exit>
}

/** By the name of the container. */
const queueOf = new Map<string, string>()
const IMAGE: Image = { id: 'i', digest: 'sha256:d', entrypoint: [], command: [], metadata: null }

/** Containers that run until the test ends them, or for `ms`; for what no real engine does when asked. */
class Containers {
  readonly all = new Map<string, Container>()
  readonly started: string[] = []
  readonly stops: string[] = []
  readonly overlaps: string[] = []
  stopFailures = 0
  running = 0
  #ms: number | null

  constructor(ms: number | null) {
    this.#ms = ms
  }

  end(name: string, code = 0): void {
    const container = this.all.get(name)
    if (!container || container.phase === 'exited') return
    container.phase = 'exited'
    this.running -= 1
    container.done.resolve({ code, outOfMemory: false })
  }

  runtime(): Partial<Runtime> {
    const stateOf = (name: string): ContainerState | null => {
      const container = this.all.get(name)
      return container ? { name, id: name, labels: container.spec.labels, phase: container.phase, exit: null } : null
    }
    const attachment = (name: string, signal?: AbortSignal) => {
      const { promise } = this.all.get(name)?.done ?? Promise.withResolvers<Exit>()
      const aborted = Promise.withResolvers<Exit>()
      signal?.addEventListener('abort', () => aborted.reject(signal.reason))
      aborted.promise.catch(() => {})
      async function* output(): AsyncGenerator<OutputFrame> {
        yield { stream: 'stdout', data: Buffer.from(`${name}\n`) }
        await Promise.race([promise, aborted.promise])
      }
      const exit = Promise.race([promise, aborted.promise])
      exit.catch(() => {})
      return { output: output(), exit }
    }
    return {
      image: async () => IMAGE,
      find: async name => stateOf(name),
      create: async spec => {
        if (this.all.has(spec.name)) return null
        this.all.set(spec.name, { spec, phase: 'created', done: Promise.withResolvers<Exit>() })
        return spec.name
      },
      start: async (name, _files, signal) => {
        const container = this.all.get(name)
        if (container?.phase !== 'created') throw new Error('started twice')
        for (const [other, { phase }] of this.all) {
          if (phase === 'running' && queueOf.get(other) === queueOf.get(name)) this.overlaps.push(name)
        }
        container.phase = 'running'
        this.started.push(name)
        this.running += 1
        if (this.#ms !== null) setTimeout(() => this.end(name), this.#ms)
        return attachment(name, signal)
      },
      attach: async (name, _cursor, { signal } = {}) => attachment(name, signal),
      stop: async name => {
        this.stops.push(name)
        if (this.stops.length <= this.stopFailures) throw new Error('the engine is away')
        this.end(name, 143)
      },
      remove: async name => void this.all.delete(name),
      clearAfter: async () => {},
      removeUnstarted: async name => {
        if (this.all.get(name)?.phase === 'created') this.all.delete(name)
        return !this.all.has(name)
      },
    }
  }
}

function startWorker(name: string): Worker {
  const worker = new Worker(t.node(name, containers.runtime()))
  workers.push(worker)
  worker.start()
  return worker
}

async function submit(qname: string, limits?: NewJob['limits']): Promise<string> {
  const order = await makeOrder({ container_image: 'busybox', qname })
  const [sealedSpec = '', sealedToken = ''] = await seal(t.engine, [JSON.stringify(order), 'token'])
  const id = await t.queue({ qname, sealedSpec, sealedToken, ...(limits && { limits }) })
  queueOf.set(`writ-${id}`, qname)
  return id
}

/** Through a node that may run it at once. */
async function takeIn(worker: Worker, qname: string, slow?: () => Promise<void>): Promise<string> {
  const id = randomBytes(12).toString('hex')
  const order = await makeOrder({ container_image: 'busybox', qname })
  const job = {
    id,
    qname,
    form: 'direct',
    image: 'busybox',
    tty: false,
    submitterEntity: 'entity',
    submitterAccessorHash: 'hash',
    sealedSpec: 'nothing that could be opened',
    sealedToken: 'nothing that could be opened',
    tokenAccessor: '',
    tokenRenewAt: null,
    outputLimit: 64 << 20,
  } as const
  const opened = new Opened({ order, token: new Secret('token'), local: Promise.resolve(IMAGE) })
  await worker.takeIn(async taker => {
    await slow?.()
    return await acceptJob(t.engine.db, job, JSON.stringify({ action: 'job.submitted', actor: 'me' }), { taker })
  }, opened)
  queueOf.set(`writ-${id}`, qname)
  return id
}

const jobOf = async (id: string) => (await findJob(t.engine.db, id)) ?? expect.fail('no job')
const released = (ids: string[]) =>
  expect.poll(async () => (await Promise.all(ids.map(jobOf))).every(job => job.released_at !== null), {
    timeout: 15_000,
  })

test('three nodes on one database: every job runs once, one at a time in its queue, in order', async () => {
  containers = new Containers(5)
  const ids: string[] = []
  for (let n = 0; n < 24; n++) ids.push(await submit(`q${n % 6}`))
  for (const name of ['a', 'b', 'c']) startWorker(name)
  for (let n = 24; n < 36; n++) ids.push(await submit(`q${n % 6}`))
  await released(ids).toBe(true)
  expect(containers.started.toSorted()).toEqual(ids.map(id => `writ-${id}`).toSorted())
  const jobs = await Promise.all(ids.map(jobOf))
  expect(jobs.every(job => job.status === 'success' && job.attempt === 1)).toBe(true)
  expect(containers.overlaps).toEqual([])
  for (const [, queue] of Map.groupBy(ids, id => queueOf.get(`writ-${id}`))) {
    const order = containers.started.filter(name => queue.some(id => name === `writ-${id}`))
    expect(order).toEqual(queue.map(id => `writ-${id}`))
  }
})

test('no more at once than a node may run, and the rest when there is room', async () => {
  containers = new Containers(null)
  const ids = await Promise.all(Array.from({ length: 6 }, (_, n) => submit(`q${n}`)))
  startWorker('a')
  await expect.poll(() => containers.running).toBe(4)
  await sleep(50)
  expect(containers.running).toBe(4)
  containers.end(containers.started[0] ?? '')
  await expect.poll(() => containers.started.length).toBe(5)
  expect(containers.running).toBe(4)
  for (let n = 0; n < 6; n++) {
    await expect.poll(() => containers.started.length).toBeGreaterThan(n)
    containers.end(containers.started[n] ?? '')
  }
  await released(ids).toBe(true)
})

test('a node that lost its lease goes away quietly; the job is not started again and not removed', async () => {
  containers = new Containers(null)
  const id = await submit('q')
  startWorker('slow')
  await expect.poll(() => containers.running).toBe(1)
  startWorker('quick')
  // the lease runs out, again and again: the slow one may be the first to see it, and take the job back
  const taken = async () => {
    const late = t.engine.db.updateTable('jobs').set({ lease_until: new Date(0) })
    await late.where('id', '=', id).where('node', '=', 'slow').execute()
    return (await jobOf(id)).node
  }
  await expect.poll(taken, { timeout: 10_000 }).toBe('quick')
  await sleep(500)
  expect(containers.all.has(`writ-${id}`)).toBe(true)
  containers.end(`writ-${id}`, 7)
  await released([id]).toBe(true)
  expect(await jobOf(id)).toMatchObject({ status: 'failed', return_code: 7, node: 'quick' })
  expect(containers.started).toHaveLength(1)
})

test('a node that stops in order hands over at once what runs on', async () => {
  containers = new Containers(null)
  const id = await submit('q')
  const first = startWorker('first')
  await expect.poll(() => containers.running).toBe(1)
  await first.stop()
  expect(containers.running).toBe(1)
  startWorker('second')
  await expect.poll(async () => (await jobOf(id)).node, { timeout: 1_500 }).toBe('second')
  containers.end(`writ-${id}`)
  await released([id]).toBe(true)
  expect(await jobOf(id)).toMatchObject({ status: 'success', attempt: 2 })
})

test('a kill that the engine does not take at first is tried until it does', async () => {
  containers = new Containers(null)
  containers.stopFailures = 2
  const id = await submit('q')
  startWorker('a')
  await expect.poll(() => containers.running).toBe(1)
  await t.engine.db.updateTable('jobs').set({ kill_requested: true }).where('id', '=', id).execute()
  await released([id]).toBe(true)
  expect(containers.stops).toHaveLength(3)
  expect(await jobOf(id)).toMatchObject({ status: 'failed', error_code: 'job_killed', return_code: 143 })
})

test('a job that runs too long is stopped, and says why', async () => {
  containers = new Containers(null)
  const id = await submit('q', { run: 1, queue: null, keep: 60 })
  startWorker('a')
  await released([id]).toBe(true)
  const job = await jobOf(id)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_timeout', return_code: 143 })
  expect((job.ended_at?.getTime() ?? 0) - (job.started_at?.getTime() ?? 0)).toBeGreaterThanOrEqual(1_000)
  expect((job.expires_at?.getTime() ?? 0) - (job.ended_at?.getTime() ?? 0)).toBeGreaterThan(59_000)
})

test('whoever takes a job over stops it when its time is up, which began with its first start', async () => {
  containers = new Containers(null)
  const id = await submit('q', { run: 2, queue: null, keep: null })
  const first = startWorker('first')
  await expect.poll(() => containers.running).toBe(1)
  await first.stop()
  const until = (await jobOf(id)).run_until
  startWorker('second')
  await released([id]).toBe(true)
  const job = await jobOf(id)
  expect(job).toMatchObject({ error_code: 'job_timeout', node: 'second', run_until: until })
})

test('a job that ended in time while nobody looked is not late', async () => {
  containers = new Containers(null)
  const id = await submit('q', { run: 1, queue: null, keep: null })
  const first = startWorker('first')
  await expect.poll(() => containers.running).toBe(1)
  await first.stop()
  containers.end(`writ-${id}`)
  await sleep(1_100)
  startWorker('second')
  await released([id]).toBe(true)
  expect(await jobOf(id)).toMatchObject({ status: 'success', error_code: '' })
})

test('a job that waits too long ends without a start, holds nothing, and its queue goes on', async () => {
  containers = new Containers(null)
  const running = await submit('q')
  startWorker('a')
  await expect.poll(() => containers.running).toBe(1)
  const late = await submit('q', { run: null, queue: 1, keep: null })
  const next = await submit('q')
  await released([late]).toBe(true)
  expect(await jobOf(late)).toMatchObject({ status: 'failed', error_code: 'queue_timeout', started_at: null })
  containers.end(`writ-${running}`)
  await expect.poll(() => containers.started.length).toBe(2)
  containers.end(`writ-${next}`)
  await released([running, next]).toBe(true)
  expect(containers.started).toEqual([`writ-${running}`, `writ-${next}`])
})

test('a job that cannot be released takes no place of those that run', async () => {
  containers = new Containers(5)
  const stuck = { ...containers.runtime(), remove: async () => Promise.reject(new Error('the engine is away')) }
  const ids: string[] = []
  for (let n = 0; n < 10; n += 1) ids.push(await submit(`q${n}`))
  const worker = new Worker(t.node('a', stuck))
  workers.push(worker)
  worker.start()
  const ended = async () => (await Promise.all(ids.map(jobOf))).every(job => job.status === 'success')
  await expect.poll(ended, { timeout: 10_000 }).toBe(true)
})

test('without an identity it claims nothing, and goes on when there is one', async () => {
  containers = new Containers(5)
  const id = await submit('q')
  const sealed = { state: { sealed: true, reason: 'x' }, token: () => t.engine.identity.token(), doubt: async () => {} }
  const engine = { ...t.node('a', containers.runtime()), identity: sealed } as unknown as ReturnType<TestEngine['node']>
  const worker = new Worker(engine)
  workers.push(worker)
  worker.start()
  await sleep(100)
  expect((await jobOf(id)).status).toBe('queued')
  sealed.state.sealed = false
  await released([id]).toBe(true)
})

test('what is taken in by a free node runs there at once, and nothing has to be opened again', async () => {
  containers = new Containers(5)
  const worker = startWorker('a')
  const id = await takeIn(worker, 'q')
  await released([id]).toBe(true)
  expect(await jobOf(id)).toMatchObject({ status: 'success', attempt: 1, node: 'a' })
})

test('a node takes in no more than it may run; the rest waits its turn', async () => {
  containers = new Containers(null)
  const worker = startWorker('a')
  const ids: string[] = []
  for (let n = 0; n < 4; n += 1) ids.push(await takeIn(worker, `q${n}`))
  expect(worker.hasPlace).toBe(false)
  const order = await makeOrder({ container_image: 'busybox', qname: 'r' })
  const [sealedSpec = '', sealedToken = ''] = await seal(t.engine, [JSON.stringify(order), 'token'])
  const waiting = await t.queue({ qname: 'r', sealedSpec, sealedToken })
  queueOf.set(`writ-${waiting}`, 'r')
  expect((await jobOf(await takeIn(worker, 's'))).status).toBe('queued')
  await expect.poll(() => containers.running).toBe(4)
  for (const id of ids) containers.end(`writ-${id}`)
  await expect.poll(() => containers.started.includes(`writ-${waiting}`)).toBe(true)
  containers.end(`writ-${waiting}`)
  await released([...ids, waiting]).toBe(true)
})

test('a place is kept for what is being taken in, and given away when it comes to nothing', async () => {
  containers = new Containers(null)
  const worker = startWorker('a')
  const stored = Promise.withResolvers<void>()
  const taking = Array.from({ length: 4 }, (_, n) => takeIn(worker, `q${n}`, () => stored.promise))
  await expect.poll(() => worker.hasPlace).toBe(false)
  const id = await submit('other')
  await sleep(100)
  expect((await jobOf(id)).status).toBe('queued')
  stored.reject(new Error('the database is away'))
  await expect(Promise.all(taking)).rejects.toThrow('the database is away')
  // long before the next look by itself
  await expect.poll(() => containers.started, { timeout: 1_000 }).toEqual([`writ-${id}`])
  containers.end(`writ-${id}`)
  await released([id]).toBe(true)
})

test('a node that drains takes in nothing more, and is idle only when what it took in has ended', async () => {
  containers = new Containers(null)
  const worker = startWorker('a')
  const stored = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const taking = takeIn(worker, 'q', () => {
    begun.resolve()
    return stored.promise
  })
  await begun.promise
  worker.drain()
  let idle = false
  const becomesIdle = worker.idle().then(() => {
    idle = true
  })
  await sleep(50)
  expect(idle).toBe(false)
  stored.resolve()
  const id = await taking
  await expect.poll(() => containers.started).toEqual([`writ-${id}`])
  expect((await jobOf(await takeIn(worker, 'late'))).status).toBe('queued')
  expect(idle).toBe(false)
  containers.end(`writ-${id}`)
  await becomesIdle
  expect((await jobOf(id)).status).toBe('success')
})
