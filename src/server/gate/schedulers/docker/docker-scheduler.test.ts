import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EngineProxy } from '../../../../../test/engine-proxy.ts'
import { FakeServer, json } from '../../../../../test/fake-server.ts'
import { testsAreInContainer } from '../../../../../test/own-container.ts'
import { connecting, PlainContainers } from '../../../../../test/plain-containers.ts'
import { peerOf } from '../peer.ts'
import type { Caller, Scheduler, Task } from '../scheduler.ts'
import { dockerScheduler } from './docker-scheduler.ts'

const containers = new PlainContainers()
const scheduler = dockerScheduler({ peerOnly: false })
afterAll(async () => await scheduler.close())

const FAR: Caller = { address: '10.1.1.1' }
const code = (name: string, detail?: string) =>
  expect.objectContaining(detail ? { code: name, detail } : { code: name })
async function lookup(id: string, caller: Caller = FAR, of: Scheduler = scheduler): Promise<Task> {
  return await of.lookup(of.parseTaskId(id), caller, AbortSignal.timeout(20_000))
}
const unique = () => `job-${Math.random().toString(36).slice(2)}`

describe('a container that runs', () => {
  test('by its id, in full or as its host name has it', async () => {
    const { id, name } = await containers.start(['sleep', '60'])
    const task = await lookup(id)
    expect(task).toMatchObject({ name, state: 'running', meta: { container: id } })
    expect(task.id).toMatch(new RegExp(`^${id}@\\d+$`))
    expect(Date.now() - task.startedAt.getTime()).toBeLessThan(20_000)
    expect(await lookup(id.slice(0, 12))).toEqual(task)
  })

  test('by a label, if it is the only one', async () => {
    const label = unique()
    const { id } = await containers.start(['sleep', '60'], { labels: { 'writ.task': label } })
    expect(await lookup(label)).toMatchObject({ meta: { container: id } })
    await containers.start(['sleep', '60'], { labels: { 'writ.task': label } })
    await expect(lookup(label)).rejects.toEqual(code('task_foreign', 'several containers carry this label'))
  })

  test('by a label that is neither of the two lengths of an id', async () => {
    for (const digits of [13, 63]) {
      const label = randomBytes(32).toString('hex').slice(0, digits)
      const { id } = await containers.start(['sleep', '60'], { labels: { 'writ.task': label } })
      expect(await lookup(label)).toMatchObject({ meta: { container: id } })
      // and nothing else that begins like it: the engine would look in ids and names
      await expect(lookup(id.slice(0, digits))).rejects.toEqual(code('task_not_found'))
    }
  })

  test('is named by whoever started it', async () => {
    const compose = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web' }
    const { id } = await containers.start(['sleep', '60'], { labels: compose })
    expect((await lookup(id)).name).toBe('shop/web')
    const named = await containers.start(['sleep', '60'], { labels: { ...compose, 'writ.task.name': 'front' } })
    expect((await lookup(named.id)).name).toBe('front')
  })

  test('is not named by its image', async () => {
    const compose = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'payments' }
    const image = await containers.labelled({ ...compose, 'writ.task.name': 'payments', 'writ.task': 'other' })
    const { id, name } = await containers.start(['sleep', '60'], { image })
    expect((await lookup(id)).name).toBe(name)
    const numbered = { 'com.docker.compose.container-number': '1' }
    const built = await containers.start(['sleep', '60'], { image, labels: { ...compose, ...numbered } })
    expect((await lookup(built.id)).name).toBe('shop/payments')
    const ofRun = { ...compose, 'com.docker.compose.oneoff': 'True' }
    const run = await containers.start(['sleep', '60'], { image, labels: ofRun })
    expect((await lookup(run.id)).name).toBe('shop/payments')
    const renamed = await containers.start(['sleep', '60'], { image, labels: { 'writ.task.name': 'mine' } })
    expect((await lookup(renamed.id)).name).toBe('mine')
  })

  test('that is started again is another task', async () => {
    const { id } = await containers.start(['sleep', '60'])
    const before = await lookup(id)
    await containers.act(id, 'restart')
    const after = await lookup(id)
    expect(after.id).not.toBe(before.id)
    expect(after.startedAt.getTime()).toBeGreaterThan(before.startedAt.getTime())
  })
})

describe('a container that another scheduler of this gate has started, which would be given a token by each', () => {
  const job = `writ-${'0a'.repeat(12)}`
  test.each<[string, string, Record<string, string>, string[]?]>([
    ['writ', job, {}],
    ['mesos', 'mesos-8a2d5f1c-1d7e-4a94-9f0e-2b1f3c4d5e6f', {}],
    // of a task that has a name of its own among its parameters
    ['mesos', 'payments-by-mesos', {}, ['MESOS_SANDBOX=/mnt/mesos/sandbox', 'MESOS_SANDBOX']],
    ['dcosee-mesos', '', {}, ['A=1', 'MESOS_CONTAINER_NAME=mesos-8a2d5f1c']],
    ['dcosee-mesos', 'mesos-8a2d5f1c-1d7e-4a94-9f0e-2b1f3c4d5e6f', {}],
    ['ecs', '', { 'com.amazonaws.ecs.task-arn': 'arn:aws:ecs:eu-west-1:1:task/c/0123' }],
    ['kubernetes', '', { 'io.kubernetes.pod.uid': '8a2d5f1c' }],
  ])('%s: it is asked for there', async (other, name, labels, env = []) => {
    const { id } = await containers.start(['sleep', '60'], { labels, env })
    if (name) await containers.engine.json('POST', `/containers/${id}/rename`, { query: { name } })
    const beside = dockerScheduler({ peerOnly: false, others: ['docker', other] })
    const alone = dockerScheduler({ peerOnly: false, others: ['docker', other === 'ecs' ? 'writ' : 'ecs'] })
    await expect(lookup(id, FAR, beside)).rejects.toEqual(code('task_not_found', `it is a task of ${other}`))
    expect(await lookup(id, FAR, alone)).toMatchObject({ meta: { container: id } })
    const { id: another } = await containers.start(['sleep', '60'])
    expect(await lookup(another, FAR, beside)).toMatchObject({ meta: { container: another } })
    await containers.remove(id)
    await Promise.all([beside.close(), alone.close()])
  })
})

test('one that does not run', async () => {
  const { id } = await containers.create(['sleep', '60'])
  await expect(lookup(id)).rejects.toEqual(code('task_not_started'))
  await containers.act(id, 'start')
  await containers.act(id, 'pause')
  await expect(lookup(id)).rejects.toEqual(code('task_ended'))
  await containers.act(id, 'unpause')
  await lookup(id)
  await containers.act(id, 'stop')
  await expect(lookup(id)).rejects.toEqual(code('task_ended'))
  await containers.remove(id)
  await expect(lookup(id)).rejects.toEqual(code('task_not_found'))
})

test('what is none', async () => {
  await expect(lookup('a1'.repeat(32))).rejects.toEqual(code('task_not_found'))
  await expect(lookup('no-such-label')).rejects.toEqual(code('task_not_found'))
  await expect(lookup('self')).rejects.toEqual(code('task_id_invalid', 'self is known on the Unix socket only'))
})

test('a container that is called like the beginning of an id', async () => {
  const { id } = await containers.start(['sleep', '60'])
  const name = 'abcdef012345'
  await containers.engine.json('POST', `/containers/${id}/rename`, { query: { name } })
  await expect(lookup(name)).rejects.toEqual(code('task_not_found'))
})

test.each([
  '',
  '.',
  '..',
  'a/../b',
  '../containers/json',
  'a b',
  'a\nb',
  'a\0',
  'ü',
  '-a',
  'a?b',
  'a%2e',
  'x'.repeat(10_240),
])('no id: %#', id => expect(() => scheduler.parseTaskId(id)).toThrowError(code('task_id_invalid')))

describe('over the Unix socket of the gate', () => {
  let folder: string
  let server: Server
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'writ-docker-'))
    server = createServer().listen(join(folder, 'gate.sock'))
    await once(server, 'listening')
  })
  afterAll(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })

  async function callerOf(start: Promise<unknown>): Promise<Caller> {
    const [[socket]] = (await Promise.all([once(server, 'connection'), start])) as unknown as [[Socket]]
    socket.on('error', () => {})
    const peer = peerOf(socket)
    return { address: '', ...(peer ? { peer } : {}) }
  }
  const inside = (labels: Record<string, string> = {}) => {
    const started = containers.start(connecting('/gate/gate.sock', 'sleep 60'), { binds: [`${folder}:/gate`], labels })
    return { started, caller: callerOf(started) }
  }

  test('a container gets its own, whatever it calls itself by', async () => {
    const label = unique()
    const { started, caller } = inside({ 'writ.task': label })
    const { id } = await started
    for (const asked of ['self', id, id.slice(0, 12), label]) {
      expect(await lookup(asked, await caller)).toMatchObject({ meta: { container: id } })
    }
  })

  test("and never another's, though it knows its id and its label", async () => {
    const label = unique()
    const other = await containers.start(['sleep', '60'], { labels: { 'writ.task': label } })
    const caller = await inside().caller
    for (const asked of [other.id, other.id.slice(0, 12), label]) {
      await expect(lookup(asked, caller)).rejects.toEqual(
        code('task_foreign', 'it does not ask from inside of the container'),
      )
    }
  })

  test.skipIf(testsAreInContainer)('a process of the host, and one that the kernel does not name', async () => {
    const { id } = await containers.start(['sleep', '60'])
    const client = connect(join(folder, 'gate.sock'))
    const caller = await callerOf(once(client, 'connect'))
    expect(caller.peer).toMatchObject({ pid: process.pid, container: null })
    for (const asked of [id, 'self']) {
      await expect(lookup(asked, caller)).rejects.toEqual(code('task_foreign', 'it asks from outside of any container'))
      await expect(lookup(asked, { address: '' })).rejects.toEqual(
        code('task_foreign', 'the kernel does not say who asks'),
      )
    }
    client.destroy()
  })

  test('a caller from afar is refused where only the kernel is believed', async () => {
    const { started, caller } = inside()
    const { id } = await started
    const strict = dockerScheduler({ peerOnly: true })
    expect(await lookup(id, await caller, strict)).toMatchObject({ meta: { container: id } })
    await expect(lookup(id, FAR, strict)).rejects.toEqual(code('task_foreign'))
    await strict.close()
  })
})

describe('an engine that fails or lies', () => {
  test('is away, hangs', async () => {
    const { id } = await containers.start(['sleep', '60'])
    const proxy = await new EngineProxy().open()
    const behind = dockerScheduler({ host: proxy.host, peerOnly: false, timeoutMs: 500 })
    await lookup(id, FAR, behind)
    proxy.freeze()
    const start = Date.now()
    await expect(lookup(id, FAR, behind)).rejects.toEqual(code('scheduler_unavailable'))
    expect(Date.now() - start).toBeLessThan(3_000)
    await proxy.close()
    await expect(lookup(id, FAR, behind)).rejects.toEqual(code('scheduler_unavailable'))
    await behind.close()
  })

  test.each([400, 403, 409, 500, 503])('says %s: that is not to know of no such container', async status => {
    const fake = await FakeServer.listen((response, { url }) => {
      if (url.endsWith('/version')) return json(response, 200, { Version: '1', ApiVersion: '1.41' })
      return json(response, status, { message: 'no' })
    })
    const broken = dockerScheduler({ host: fake.address.replace('http', 'tcp'), peerOnly: false, timeoutMs: 500 })
    for (const asked of [ID, 'some-label']) {
      const asking = broken.lookup(broken.parseTaskId(asked), FAR, AbortSignal.timeout(1_000))
      await expect(asking).rejects.toEqual(code('scheduler_unavailable'))
    }
    await broken.close()
    await fake.close()
  })

  const ID = 'a1'.repeat(32)
  const running = {
    Status: 'running',
    Running: true,
    Paused: false,
    Restarting: false,
    StartedAt: new Date().toISOString(),
  }
  const good = {
    Id: ID,
    Name: '/x',
    Image: `sha256:${'b2'.repeat(32)}`,
    Config: { Image: 'x', Labels: null },
    State: running,
  }
  test.each<[string, object, string]>([
    ['another container', { ...good, Id: 'b2'.repeat(32) }, 'task_not_found'],
    ['an id that is none', { ...good, Id: '../x' }, 'scheduler_lied'],
    ['no state', { ...good, State: undefined }, 'scheduler_lied'],
    ['a state of words', { ...good, State: { ...running, Running: 'yes' } }, 'scheduler_lied'],
    ['no start', { ...good, State: { ...running, StartedAt: '0001-01-01T00:00:00Z' } }, 'scheduler_lied'],
    ['a start that is no time', { ...good, State: { ...running, StartedAt: 'now' } }, 'scheduler_lied'],
    ['labels that are numbers', { ...good, Config: { Image: 'x', Labels: { a: 1 } } }, 'scheduler_lied'],
    ['an image that is a path', { ...good, Image: '../../containers/json' }, 'scheduler_lied'],
    ['an image that is a name', { ...good, Image: 'busybox' }, 'scheduler_lied'],
    ['starts again', { ...good, State: { ...running, Status: 'restarting', Restarting: true } }, 'task_not_started'],
    ['is paused, and runs', { ...good, State: { ...running, Paused: true } }, 'task_ended'],
    ['does not run, by one word of two', { ...good, State: { ...running, Running: false } }, 'task_ended'],
    ['dead, and running', { ...good, State: { ...running, Status: 'dead' } }, 'task_ended'],
    ['nothing', {}, 'scheduler_lied'],
  ])('%s', async (_, answer, expected) => {
    const fake = await FakeServer.listen((response, { url }) => {
      if (url.endsWith('/version')) return json(response, 200, { Version: '1', ApiVersion: '1.41' })
      return json(response, 200, url.includes('/images/') ? { Config: null } : answer)
    })
    const lied = dockerScheduler({ host: fake.address.replace('http', 'tcp'), peerOnly: false })
    await expect(lookup(ID, FAR, lied)).rejects.toEqual(code(expected))
    await lied.close()
    await fake.close()
  })
})
