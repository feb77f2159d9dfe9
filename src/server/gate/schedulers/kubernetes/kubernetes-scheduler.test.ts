import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { selfSigned } from '../../../../../test/certificate.ts'
import { FakeServer, json, type Seen } from '../../../../../test/fake-server.ts'
import { Secret } from '../../../../vault/secret.ts'
import { findCluster } from '../../../runtimes/kubernetes/cluster.ts'
import type { Task } from '../scheduler.ts'
import { kubernetesScheduler } from './kubernetes-scheduler.ts'

const AUDIENCE = 'writ-gate'
const TOKEN = 'header.canary-of-a-pod.signature'
const UID = '0b7c0b26-7f1c-4f6a-9d70-1f9a3e0b8a11'
const folder = mkdtempSync(join(tmpdir(), 'writ-kubernetes-'))
const certificate = selfSigned()
const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca.crt')]
writeFileSync(tokenFile, 'token-of-the-gate\n')
writeFileSync(caFile, certificate.cert)

type Change = Record<string, unknown>
let review: Change
let pod: Change
let answer: (response: ServerResponse, seen: Seen) => unknown
/** An API server, as far as a gate sees one. */
const api = await FakeServer.listen((response, seen) => answer(response, seen), certificate)
const cluster = findCluster({ server: api.address, caFile, tokenFile })
const scheduler = kubernetesScheduler({ cluster, audience: AUDIENCE, timeoutMs: 700 })
afterAll(async () => {
  await scheduler.close()
  await api.close()
  rmSync(folder, { recursive: true })
})

const extra = (name: string, uid: string) => ({
  'authentication.kubernetes.io/pod-name': [name],
  'authentication.kubernetes.io/pod-uid': [uid],
})
const container = (seconds: number, name = 'app') => ({
  name,
  image: 'registry/app:1',
  ready: true,
  state: { running: { startedAt: new Date(Date.now() - seconds * 1_000).toISOString() } },
})

beforeEach(() => {
  api.seen.length = 0
  review = {
    authenticated: true,
    audiences: [AUDIENCE],
    user: { username: 'system:serviceaccount:shop:web', uid: 'u', groups: [], extra: extra('web-0', UID) },
  }
  pod = {
    kind: 'Pod',
    metadata: { name: 'web-0', namespace: 'shop', uid: UID },
    spec: { serviceAccountName: 'web', nodeName: 'n1' },
    status: { phase: 'Running', podIPs: [{ ip: '10.2.0.7' }], containerStatuses: [container(5)] },
  }
  answer = (response, { url, headers }) => {
    if (headers.authorization !== 'Bearer token-of-the-gate') return json(response, 401, {})
    if (url.endsWith('/tokenreviews')) return json(response, 201, { kind: 'TokenReview', status: review })
    if (url === '/api/v1/namespaces/shop/pods/web-0') return json(response, 200, pod)
    return json(response, 404, { kind: 'Status' })
  }
})

const code = (name: string, detail?: string) =>
  expect.objectContaining(detail ? { code: name, detail } : { code: name })
async function lookup(id = 'shop/web-0', proof: string | null = TOKEN): Promise<Task> {
  const caller = { address: '10.2.0.7', ...(proof === null ? {} : { proof: new Secret(proof) }) }
  return await scheduler.lookup(scheduler.parseTaskId(id), caller, AbortSignal.timeout(20_000))
}
const change = (target: Change, path: string, value: unknown) => {
  const keys = path.split('.')
  const last = keys.pop() as string
  const parent = keys.reduce((at, key) => at[key] as Change, target)
  parent[last] = value
}

test('a pod that brings its own token', async () => {
  const task = await lookup()
  expect(task).toMatchObject({
    name: 'shop/web',
    image: 'registry/app:1',
    state: 'running',
    addresses: ['10.2.0.7'],
    meta: { namespace: 'shop', pod: 'web-0', uid: UID, account: 'web' },
  })
  expect(task.id).toBe(`${UID}@${task.startedAt.getTime()}`)
  const [asked] = api.seen
  expect(JSON.parse(asked?.body ?? '').spec).toEqual({ token: TOKEN, audiences: [AUDIENCE] })
})

test('the token of the gate is read again for each call', async () => {
  await lookup()
  writeFileSync(tokenFile, 'another-one')
  try {
    await expect(lookup()).rejects.toEqual(code('scheduler_unavailable', 'HTTP status 401'))
    rmSync(tokenFile)
    await expect(lookup()).rejects.toEqual(code('scheduler_unavailable'))
  } finally {
    writeFileSync(tokenFile, 'token-of-the-gate\n')
  }
})

test('a container that was restarted makes it another task', async () => {
  const before = await lookup()
  change(pod, 'status.containerStatuses', [container(500, 'sidecar'), container(1)])
  const after = await lookup()
  expect(after.id).not.toBe(before.id)
  expect(Date.now() - after.startedAt.getTime()).toBeLessThan(30_000)
})

describe('a caller that is not the pod', () => {
  test.each<[string, string | null]>([
    ['brings nothing', null],
    ['brings no token', 'password'],
    ['brings an empty one', ''],
    ['brings a header', 'a.b.c\r\nX: y'],
    ['brings a page', `${'a'.repeat(20_000)}.b.c`],
  ])('%s', async (_, proof) => {
    await expect(lookup('shop/web-0', proof)).rejects.toEqual(code('task_foreign'))
    expect(api.seen).toEqual([])
  })

  test.each<[string, string, unknown, string]>([
    ['refused', 'authenticated', false, 'its token is not accepted'],
    ['neither', 'authenticated', undefined, 'its token is not accepted'],
    ['for another audience', 'audiences', ['https://kubernetes.default.svc'], 'its token is not for this gate'],
    ['without audience', 'audiences', undefined, 'its token is not for this gate'],
    ['of a person', 'user.username', 'alice', 'its token is not that of a service account'],
    ['of a node', 'user.username', 'system:node:n1', 'its token is not that of a service account'],
    ['of a path', 'user.username', 'system:serviceaccount:..:web', 'its token is not that of a service account'],
    ['unbound', 'user.extra', {}, 'its token is not bound to a pod'],
    [
      'bound to two',
      'user.extra',
      { ...extra('web-0', UID), 'authentication.kubernetes.io/pod-uid': [UID, 'x'] },
      'its token is not bound to a pod',
    ],
    ['of another pod', 'user.extra', extra('web-1', UID), 'its token is that of another pod'],
    [
      'of a pod of this name that was before',
      'user.extra',
      extra('web-0', 'older'),
      'its token is that of another pod',
    ],
    ['of another namespace', 'user.username', 'system:serviceaccount:evil:web', 'its token is that of another pod'],
  ])('a token that is %s', async (_, path, value, detail) => {
    change(review, path, value)
    await expect(lookup()).rejects.toEqual(code('task_foreign', detail))
  })

  test('asks for another', async () => {
    await expect(lookup('shop/web-1')).rejects.toEqual(code('task_foreign', 'its token is that of another pod'))
    await expect(lookup('prod/web-0')).rejects.toEqual(code('task_foreign', 'its token is that of another pod'))
  })
})

test.each<[string, unknown, string]>([
  ['metadata.deletionTimestamp', '2026-01-01T00:00:00Z', 'task_ended'],
  ['status.phase', 'Pending', 'task_not_started'],
  ['status.phase', 'Succeeded', 'task_ended'],
  ['status.phase', 'Failed', 'task_ended'],
  ['status.phase', 'Unknown', 'task_ended'],
  ['status.phase', undefined, 'task_ended'],
  ['status.containerStatuses', [], 'task_not_started'],
  ['status.containerStatuses', [{ name: 'app', state: { waiting: {} } }], 'task_not_started'],
  ['status.containerStatuses', [{ name: 'app', state: { running: { startedAt: 'now' } } }], 'scheduler_lied'],
  ['metadata.name', 'web-1', 'scheduler_lied'],
  ['metadata.namespace', 'other', 'scheduler_lied'],
  ['metadata.uid', 7, 'scheduler_lied'],
  ['spec.serviceAccountName', 'other', 'scheduler_lied'],
  ['spec.serviceAccountName', undefined, 'scheduler_lied'],
  ['kind', 'Status', 'scheduler_lied'],
])('a pod whose %s is %j', async (path, value, expected) => {
  change(pod, path, value)
  await expect(lookup()).rejects.toEqual(code(expected))
})

describe('an API server that fails or lies', () => {
  test.each<[string, (response: ServerResponse, seen: Seen) => unknown, string]>([
    ['hangs', () => {}, 'scheduler_unavailable'],
    ['breaks off', response => response.destroy(), 'scheduler_unavailable'],
    ['is overloaded', response => json(response, 429, {}), 'scheduler_unavailable'],
    ['does not let us ask', response => json(response, 403, { kind: 'Status' }), 'scheduler_unavailable'],
    ['is broken', response => json(response, 500, {}), 'scheduler_unavailable'],
    ['is something else', response => json(response, 404, {}), 'scheduler_lied'],
    [
      'sends us elsewhere',
      response => response.writeHead(307, { location: 'https://127.0.0.1:1/' }).end(),
      'scheduler_lied',
    ],
    ['accepts without a body', response => response.writeHead(204).end(), 'scheduler_lied'],
    ['says no JSON', response => response.writeHead(201).end('<html>'), 'scheduler_lied'],
    ['says null', response => json(response, 201, null), 'scheduler_lied'],
    [
      'says yes',
      response => json(response, 201, { kind: 'TokenReview', status: { authenticated: 'yes' } }),
      'scheduler_lied',
    ],
    ['repeats the question', (response, seen) => json(response, 201, JSON.parse(seen.body)), 'scheduler_lied'],
    ['never ends', response => void response.writeHead(201).write(' '.repeat(2 ** 21)), 'scheduler_lied'],
  ])('%s', async (_, how, expected) => {
    answer = how
    const start = Date.now()
    const refused = await lookup().catch(error => error)
    expect(refused).toEqual(code(expected))
    expect(`${refused.stack}${JSON.stringify(refused)}`).not.toContain('canary')
    expect(Date.now() - start).toBeLessThan(3_000)
  })

  test('with the certificate of somebody else', async () => {
    const other = await FakeServer.listen(response => json(response, 201, {}), selfSigned())
    const misled = kubernetesScheduler({
      cluster: findCluster({ server: other.address, caFile, tokenFile }),
      audience: AUDIENCE,
    })
    const asked = misled.lookup(
      misled.parseTaskId('shop/web-0'),
      { address: '', proof: new Secret(TOKEN) },
      AbortSignal.timeout(5_000),
    )
    await expect(asked).rejects.toEqual(code('scheduler_unavailable'))
    expect(other.seen).toEqual([])
    await misled.close()
    await other.close()
  })

  test('that loses the pod between the two questions', async () => {
    const before = answer
    answer = (response, seen) =>
      seen.method === 'GET' ? json(response, 404, { kind: 'Status' }) : before(response, seen)
    await expect(lookup()).rejects.toEqual(code('task_not_found'))
  })
})

test.each([
  '',
  'web',
  'shop/',
  '/web',
  'shop/../x',
  '../shop/web',
  'shop/web/log',
  'Shop/web',
  'shop/w b',
  'shop/web\n',
  'shop/wéb',
  'shop/web?x',
  'shop/web%2f',
  `shop/${'x'.repeat(10_240)}`,
])('no id: %#', id => expect(() => scheduler.parseTaskId(id)).toThrowError(code('task_id_invalid')))
