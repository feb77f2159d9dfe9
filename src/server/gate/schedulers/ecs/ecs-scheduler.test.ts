import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeServer, json, type Seen } from '../../../../../test/fake-server.ts'
import type { Scheduler, Task } from '../scheduler.ts'
import { type EcsOptions, ecsScheduler } from './ecs-scheduler.ts'

process.env.AWS_ACCESS_KEY_ID = 'AKIATEST'
process.env.AWS_SECRET_ACCESS_KEY = 'test'

const ID = '0123456789abcdef0123456789abcdef'
const OLD_ID = '01234567-89ab-cdef-0123-456789abcdef'
const cluster = (name: string) => `arn:aws:ecs:eu-west-1:123456789012:cluster/${name}`
const arn = (name: string, id = ID) => `arn:aws:ecs:eu-west-1:123456789012:task/${name}/${id}`

/** What is in which cluster. */
let tasks: Record<string, object[]>
let answer: (response: ServerResponse, seen: Seen) => unknown
/** ECS, as far as a gate sees it: AWS JSON 1.1. */
const aws = await FakeServer.listen((response, seen) => answer(response, seen))
const opened: Scheduler[] = []
afterEach(async () => {
  for (const scheduler of opened.splice(0)) await scheduler.close()
})
afterAll(async () => await aws.close())

const running = (name: string, id = ID, more: object = {}) => ({
  taskArn: arn(name, id),
  clusterArn: cluster(name),
  taskDefinitionArn: 'arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7',
  lastStatus: 'RUNNING',
  desiredStatus: 'RUNNING',
  startedAt: Date.now() / 1_000 - 5,
  containers: [{ name: 'app', image: 'registry/web:1', networkInterfaces: [{ privateIpv4Address: '10.3.0.9' }] }],
  ...more,
})

function ecs(response: ServerResponse, { body, headers }: Seen): unknown {
  const asked = JSON.parse(body) as { cluster: string; tasks: string[] }
  if (headers['x-amz-target'] !== 'AmazonEC2ContainerServiceV20141113.DescribeTasks') return json(response, 400, {})
  const name = asked.cluster.split('/').at(-1) as string
  if (!(name in tasks))
    return json(response, 400, { __type: 'ClusterNotFoundException', message: 'Cluster not found.' })
  const found = (tasks[name] ?? []).filter(one => (one as { taskArn: string }).taskArn.endsWith(`/${asked.tasks[0]}`))
  const failures = found.length > 0 ? [] : [{ arn: asked.tasks[0], reason: 'MISSING' }]
  return json(response, 200, { tasks: found, failures })
}

beforeEach(() => {
  tasks = { main: [running('main')], side: [] }
  answer = ecs
  aws.seen.length = 0
})

function of(options: Partial<EcsOptions> = {}): Scheduler {
  const scheduler = ecsScheduler({ clusters: ['main', 'side'], region: 'eu-west-1', endpoint: aws.address, ...options })
  opened.push(scheduler)
  return scheduler
}
async function lookup(id = ID, scheduler = of()): Promise<Task> {
  return await scheduler.lookup(scheduler.parseTaskId(id), { address: '' }, AbortSignal.timeout(20_000))
}
const code = (name: string, detail?: string) =>
  expect.objectContaining(detail ? { code: name, detail } : { code: name })

test.each([ID, arn('main')])('a task that runs: %s', async id => {
  const task = await lookup(id)
  expect(task).toMatchObject({
    id: arn('main'),
    name: 'web',
    image: 'registry/web:1',
    state: 'running',
    addresses: ['10.3.0.9'],
    meta: { cluster: cluster('main') },
  })
  expect(Date.now() - task.startedAt.getTime()).toBeLessThan(60_000)
  expect(aws.seen.every(({ headers }) => headers.authorization?.includes('AKIATEST/'))).toBe(true)
})

test('clusters by their ARNs, which say the region, and ids of the old form', async () => {
  tasks = { main: [running('main', OLD_ID)] }
  const scheduler = of({ clusters: [cluster('main')], region: undefined })
  expect(await lookup(OLD_ID, scheduler)).toMatchObject({ id: arn('main', OLD_ID) })
})

test('one that is not there, in a cluster that is not served, in another region, of another account', async () => {
  await expect(lookup('f'.repeat(32))).rejects.toEqual(code('task_not_found'))
  aws.seen.length = 0
  await expect(lookup(arn('other'))).rejects.toEqual(code('task_not_found'))
  await expect(lookup(arn('main').replace('eu-west-1', 'us-east-1'))).rejects.toEqual(code('task_not_found'))
  expect(aws.seen).toEqual([])
  await expect(lookup(arn('main').replace('123456789012', '999999999999'))).rejects.toEqual(code('task_not_found'))
})

test.each<[object, string]>([
  [{ lastStatus: 'DEACTIVATING' }, 'task_ended'],
  [{ lastStatus: 'STOPPING' }, 'task_ended'],
  [{ lastStatus: 'DEPROVISIONING' }, 'task_ended'],
  [{ lastStatus: 'STOPPED' }, 'task_ended'],
  [{ lastStatus: 'DELETED' }, 'task_ended'],
  [{ desiredStatus: 'STOPPED' }, 'task_ended'],
  [{ lastStatus: 'SLEEPING' }, 'scheduler_lied'],
  [{ lastStatus: undefined }, 'scheduler_lied'],
  [{ startedAt: -5 }, 'scheduler_lied'],
  [{ startedAt: 'yesterday' }, 'scheduler_lied'],
  [{ taskDefinitionArn: 'web' }, 'scheduler_lied'],
  [{ taskDefinitionArn: 'arn:aws:ecs:eu-west-1:1:task-definition/../x:1' }, 'scheduler_lied'],
  [{ clusterArn: cluster('side') }, 'scheduler_lied'],
  [{ containers: 'none' }, 'scheduler_lied'],
])('%j', async (more, expected) => {
  tasks.main = [running('main', ID, more)]
  await expect(lookup()).rejects.toEqual(code(expected))
})

test.each(['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING'])(
  '%s without a start is waited for',
  async lastStatus => {
    tasks.main = [running('main', ID, { lastStatus, startedAt: undefined })]
    setTimeout(() => {
      tasks.main = [running('main')]
    }, 300)
    expect(await lookup()).toMatchObject({ state: 'running' })
  },
)

test('a start that does not come: it has not started', async () => {
  tasks.main = [running('main', ID, { startedAt: undefined })]
  await expect(lookup()).rejects.toEqual(code('task_not_started'))
  expect(aws.seen.length).toBeGreaterThanOrEqual(4)
})

describe('ECS fails or lies', () => {
  test('one cluster does not answer: what the others do not have is not "not found"', async () => {
    const scheduler = of({ clusters: ['main', 'gone'] })
    expect(await lookup(ID, scheduler)).toMatchObject({ id: arn('main') })
    const refused = lookup('f'.repeat(32), scheduler)
    await expect(refused).rejects.toEqual(code('scheduler_unavailable', 'ClusterNotFoundException'))
  })

  test('two clusters have the task', async () => {
    tasks.side = [running('side')]
    await expect(lookup()).rejects.toEqual(code('scheduler_lied'))
  })

  test.each<[string, (response: ServerResponse, seen: Seen) => unknown, string]>([
    ['hangs', () => {}, 'scheduler_unavailable'],
    ['breaks off', response => response.destroy(), 'scheduler_unavailable'],
    ['is broken', response => json(response, 500, {}), 'scheduler_unavailable'],
    [
      'does not let us ask',
      response => json(response, 400, { __type: 'AccessDeniedException', message: 'no' }),
      'scheduler_unavailable',
    ],
    [
      'sends us elsewhere',
      response => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      'scheduler_unavailable',
    ],
    [
      'says it has accepted',
      response => json(response, 202, { tasks: [running('main')], failures: [] }),
      'scheduler_lied',
    ],
    ['is something else', response => response.writeHead(200).end('<html>'), 'scheduler_lied'],
    ['gives a list of words', response => json(response, 200, { tasks: ['main'] }), 'scheduler_lied'],
    [
      'gives another task',
      response => json(response, 200, { tasks: [running('main', 'f'.repeat(32))] }),
      'scheduler_lied',
    ],
    ['gives two', response => json(response, 200, { tasks: [running('main'), running('main')] }), 'scheduler_lied'],
    [
      'gives an unknown reason',
      response => json(response, 200, { tasks: [], failures: [{ reason: 'DENIED' }] }),
      'scheduler_unavailable',
    ],
    [
      'never ends',
      response => void response.writeHead(200).write(`{"tasks":[${' '.repeat(2 ** 23)}`),
      'scheduler_lied',
    ],
  ])('%s', async (_, how, expected) => {
    answer = how
    const scheduler = of({ clusters: ['main'] })
    const start = Date.now()
    const asked = scheduler.lookup(scheduler.parseTaskId(ID), { address: '' }, AbortSignal.timeout(3_000))
    await expect(asked).rejects.toEqual(code(expected))
    expect(Date.now() - start).toBeLessThan(6_000)
  })

  test('nobody has credentials', async () => {
    const { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret } = process.env
    delete process.env.AWS_ACCESS_KEY_ID
    delete process.env.AWS_SECRET_ACCESS_KEY
    process.env.AWS_EC2_METADATA_DISABLED = 'true'
    try {
      await expect(lookup()).rejects.toEqual(code('scheduler_unavailable'))
    } finally {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret })
      delete process.env.AWS_EC2_METADATA_DISABLED
    }
  })
})

describe('a gate that is told of no cluster', () => {
  test('finds its own by the metadata of its task', async () => {
    const metadata = await FakeServer.listen((response, { url }) => {
      json(response, url === '/v4/x/task' ? 200 : 404, { Cluster: cluster('main'), TaskARN: arn('main') })
    })
    const env = { ECS_CONTAINER_METADATA_URI_V4: `${metadata.address}/v4/x` }
    expect(await lookup(ID, of({ clusters: [], region: undefined, env }))).toMatchObject({ id: arn('main') })
    await metadata.close()
  })

  test('or by the agent of its instance, as vault-gatekeeper did', async () => {
    const metadata = await FakeServer.listen((response, { url, method, headers }) => {
      if (method === 'PUT' && url === '/latest/api/token') return response.end('session-token')
      if (url === '/v1/metadata')
        return json(response, 200, { Cluster: 'main', ContainerInstanceArn: 'x', Version: 'y' })
      if (headers['x-aws-ec2-metadata-token'] !== 'session-token') return json(response, 401, {})
      if (url === '/latest/meta-data/placement/region') return response.end('eu-west-1')
      if (url === '/latest/meta-data/local-ipv4') return response.end('127.0.0.1')
      return json(response, 404, {})
    })
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.address }
    const agentPort = Number(new URL(metadata.address).port)
    expect(await lookup(ID, of({ clusters: [], region: undefined, env, agentPort }))).toMatchObject({ id: arn('main') })
    await metadata.close()
  })

  test.each<[string, (response: ServerResponse) => unknown]>([
    ['is an old one', response => json(response, 405, {})],
    ['is a hop too far', () => {}],
  ])('whose metadata service %s: without a session', async (_, refuse) => {
    const metadata = await FakeServer.listen((response, { url, method, headers }) => {
      if (method === 'PUT') return refuse(response)
      if (url === '/v1/metadata') return json(response, 200, { Cluster: 'main' })
      if (headers['x-aws-ec2-metadata-token'] !== undefined) return json(response, 401, {})
      return response.end(url.endsWith('region') ? 'eu-west-1' : '127.0.0.1')
    })
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.address }
    const agentPort = Number(new URL(metadata.address).port)
    expect(await lookup(ID, of({ clusters: [], region: undefined, env, agentPort }))).toMatchObject({ id: arn('main') })
    await metadata.close()
  })

  test.each<[string, (response: ServerResponse, seen: Seen) => unknown, string]>([
    ['hangs', () => {}, 'scheduler_unavailable'],
    ['is none', response => json(response, 404, {}), 'scheduler_lied'],
    ['names a path', response => json(response, 200, { Cluster: '../x' }), 'scheduler_lied'],
    ['names none', response => json(response, 200, {}), 'scheduler_lied'],
  ])('whose metadata %s, and asks again next time', async (_, how, expected) => {
    let broken = true
    const metadata = await FakeServer.listen((response, seen) =>
      broken ? how(response, seen) : json(response, 200, { Cluster: cluster('main') }),
    )
    const scheduler = of({ clusters: [], env: { ECS_CONTAINER_METADATA_URI_V4: metadata.address } })
    await expect(lookup(ID, scheduler)).rejects.toEqual(code(expected))
    broken = false
    expect(await lookup(ID, scheduler)).toMatchObject({ id: arn('main') })
    await metadata.close()
  })
})

test.each([
  '',
  ID.slice(1),
  `${ID}0`,
  ID.toUpperCase(),
  `${ID}\n`,
  `main/${ID}`,
  arn('..'),
  arn('a/b'),
  arn('main', 'x'),
  `${arn('main')}/y`,
  arn('main').replace('ecs', 'iam'),
  'x'.repeat(10_240),
])('no id: %#', id => expect(() => of().parseTaskId(id)).toThrowError(code('task_id_invalid')))

test.each([
  [['main/x']],
  [['']],
  [['arn:aws:ecs:eu-west-1:123456789012:cluster/a', 'arn:aws:ecs:us-east-1:123456789012:cluster/b']],
])('clusters that are none: %j', clusters => expect(() => ecsScheduler({ clusters })).toThrow('cluster'))
