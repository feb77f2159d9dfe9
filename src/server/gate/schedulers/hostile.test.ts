import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { FakeServer, json } from '../../../../test/fake-server.ts'
import { WritError } from '../../../protocol/errors.ts'
import { Secret } from '../../../vault/secret.ts'
import { dockerScheduler } from './docker/docker-scheduler.ts'
import { ecsScheduler } from './ecs/ecs-scheduler.ts'
import { kubernetesScheduler } from './kubernetes/kubernetes-scheduler.ts'
import { parseMesosAddress } from './mesos/address.ts'
import { mesosScheduler } from './mesos/mesos-scheduler.ts'
import type { Scheduler, Task } from './scheduler.ts'
import { writScheduler } from './writ/writ-scheduler.ts'

process.env.AWS_ACCESS_KEY_ID = 'AKIATEST'
process.env.AWS_SECRET_ACCESS_KEY = 'test'

/** One server for all: each answers as the scheduler does whose question it gets. */
let answers: Record<string, unknown> = {}
const server = await FakeServer.listen((response, { url, method }) => {
  const [path = ''] = url.split('?')
  if (path.endsWith('/version')) return json(response, 200, { Version: '1', ApiVersion: '1.41' })
  const kind = method === 'POST' ? (path === '/' ? 'ecs' : 'review') : path.replace(/^.*\/([^/]+)$/, '$1')
  return json(response, 200, answers[kind] ?? answers.any ?? {})
})
const origin = server.address
const cluster = { origin, ca: undefined, token: async () => new Secret('gate') }
const schedulers = {
  mesos: mesosScheduler({ address: parseMesosAddress(origin) }),
  docker: dockerScheduler({ host: origin.replace('http', 'tcp'), peerOnly: false }),
  ecs: ecsScheduler({ clusters: ['main'], region: 'eu-west-1', endpoint: origin }),
  kubernetes: kubernetesScheduler({ cluster, audience: 'writ-gate' }),
  writ: writScheduler(async () => null),
} as const
type Name = keyof typeof schedulers
const names = Object.keys(schedulers) as Name[]
afterAll(async () => {
  for (const scheduler of Object.values(schedulers)) await scheduler.close()
  await server.close()
})

const caller = { address: '10.0.0.1', proof: new Secret('a.b.c') }
const ask = async (scheduler: Scheduler, id: string): Promise<Task> =>
  await scheduler.lookup(scheduler.parseTaskId(id), caller, AbortSignal.timeout(10_000))

const nasty = [
  '..',
  '/',
  '../',
  '%2e%2e',
  '%00',
  '\0',
  '\n',
  '\r\n',
  '?',
  '#',
  '&task_id=',
  '\u202e',
  '\ud800',
  'ı',
  '／',
  '․',
  '@',
  ';',
  '"',
  ' ',
]
const good = [
  'a',
  'app.1-2_3',
  '0123456789ab',
  'a1'.repeat(32),
  '0123456789abcdef01234567',
  'shop/web-0',
  'arn:aws:ecs:eu-west-1:123456789012:task/main/',
]
const id = fc.oneof(
  { weight: 3, arbitrary: fc.array(fc.constantFrom(...nasty, ...good), { maxLength: 6 }).map(parts => parts.join('')) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 300 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constantFrom(...nasty).map(part => part.repeat(10_240 / part.length)) },
)

test.each(names)('%s: of 4,000 ids none passes that could be more than an id', name => {
  fc.assert(
    fc.property(id, text => {
      try {
        const passed = schedulers[name].parseTaskId(text)
        expect(passed).toBe(text)
        expect(passed).toMatch(/^[\x20-\x7e]{1,512}$/)
        expect(passed.split('/').some(part => part === '..' || part === '.' || part === '')).toBe(false)
      } catch (error) {
        if (!(error instanceof WritError)) throw error
        expect([error.code, error.detail]).toEqual(['task_id_invalid', undefined])
      }
    }),
    { numRuns: 4_000 },
  )
})

const PATHS = [
  /^\/tasks\?task_id=[^&#]+$/,
  /^\/v1\.41\/containers\/[0-9a-f]+\/json$/,
  /^\/v1\.41\/containers\/json\?all=0&limit=10&filters=[^&#]+$/,
  /^\/apis\/authentication\.k8s\.io\/v1\/tokenreviews$/,
  /^\/$/,
  /^\/version$/,
]

test.each(names)('%s: an id that passes asks the question that is meant and no other', async name => {
  answers = {
    any: { tasks: [] },
    json: [],
    review: { kind: 'TokenReview', status: {} },
    ecs: { tasks: [], failures: [] },
  }
  server.seen.length = 0
  await fc.assert(
    fc.asyncProperty(id, async text => {
      const error = await ask(schedulers[name], text).catch(refused => refused)
      expect(error).toBeInstanceOf(WritError)
      expect(['task_id_invalid', 'task_not_found', 'task_foreign', 'scheduler_lied']).toContain(error.code)
    }),
    { numRuns: 400 },
  )
  expect(server.seen.map(({ url }) => url).filter(url => !PATHS.some(path => path.test(url)))).toEqual([])
})

const CONTAINER = 'a1'.repeat(32)
const AWS = 'arn:aws:ecs:eu-west-1:123456789012'
const TASK = '0123456789abcdef0123456789abcdef'
const now = () => new Date().toISOString()

/** What each believes, as it would come from an honest one; with what a name must be then. */
const honest: Record<
  Exclude<Name, 'writ'>,
  { readonly id: string; readonly name: string; readonly answers: () => Record<string, unknown> }
> = {
  mesos: {
    id: 'app.1',
    name: 'app',
    answers: () => ({
      tasks: {
        tasks: [
          {
            id: 'app.1',
            name: 'app',
            framework_id: 'F',
            slave_id: 'A',
            state: 'TASK_RUNNING',
            statuses: [{ state: 'TASK_RUNNING', timestamp: Date.now() / 1_000 }],
          },
        ],
      },
      'state-summary': {
        frameworks: [{ id: 'F', name: 'marathon' }],
        slaves: [{ id: 'A', pid: 'slave(1)@10.0.0.5:5051' }],
      },
    }),
  },
  docker: {
    id: CONTAINER,
    name: 'web',
    answers: () => ({
      json: {
        Id: CONTAINER,
        Name: '/web',
        Image: `sha256:${'b2'.repeat(32)}`,
        Config: { Image: 'web:1', Labels: {} },
        State: { Status: 'running', Running: true, Paused: false, Restarting: false, StartedAt: now() },
      },
    }),
  },
  ecs: {
    id: TASK,
    name: 'web',
    answers: () => ({
      ecs: {
        tasks: [
          {
            taskArn: `${AWS}:task/main/${TASK}`,
            clusterArn: `${AWS}:cluster/main`,
            taskDefinitionArn: `${AWS}:task-definition/web:7`,
            lastStatus: 'RUNNING',
            startedAt: Date.now() / 1_000,
          },
        ],
        failures: [],
      },
    }),
  },
  kubernetes: {
    id: 'shop/web-0',
    name: 'shop/web',
    answers: () => ({
      review: {
        kind: 'TokenReview',
        status: {
          authenticated: true,
          audiences: ['writ-gate'],
          user: {
            username: 'system:serviceaccount:shop:web',
            extra: {
              'authentication.kubernetes.io/pod-name': ['web-0'],
              'authentication.kubernetes.io/pod-uid': ['u1'],
            },
          },
        },
      },
      'web-0': {
        kind: 'Pod',
        metadata: { name: 'web-0', namespace: 'shop', uid: 'u1' },
        spec: { serviceAccountName: 'web' },
        status: { phase: 'Running', containerStatuses: [{ name: 'c', state: { running: { startedAt: now() } } }] },
      },
    }),
  },
}
const liars = Object.keys(honest) as (keyof typeof honest)[]

/** Everything in a value that could be another thing. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))]
}

function replaced(value: unknown, [key, ...rest]: (string | number)[], by: unknown): unknown {
  if (key === undefined) return by
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  const at = copy as Record<string | number, unknown>
  at[key] = replaced(at[key], rest, by)
  return copy
}

describe.each(liars)('%s that lies', name => {
  const { id: asked, name: right, answers: honestly } = honest[name]

  test('is believed while it does not', async () => {
    answers = honestly()
    expect(await ask(schedulers[name], asked)).toMatchObject({ name: right, state: 'running' })
  })

  test('in any place, by any word: a refusal, or a task that is the one asked for', { timeout: 120_000 }, async () => {
    const word = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(...nasty, null, 0, -1, 1e308, [], {}, true, '../x'),
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(), word, async (where, by) => {
        const told = honestly()
        const all = places(told).filter(path => path.length > 0)
        answers = replaced(told, all[where % all.length] as string[], by) as Record<string, unknown>
        // one that has not started would be waited for
        const limit = AbortSignal.timeout(400)
        const scheduler = schedulers[name]
        const result = await scheduler.lookup(scheduler.parseTaskId(asked), caller, limit).catch(error => error)
        if (result instanceof WritError) {
          expect(result.code).toMatch(/^(task_(not_found|not_started|ended|foreign)|scheduler_(lied|unavailable))$/)
        } else {
          expect(result.id.includes(name === 'kubernetes' ? '@' : asked)).toBe(true)
          expect(Number.isFinite(result.startedAt.getTime())).toBe(true)
        }
      }),
      { numRuns: 250 },
    )
  })
})
