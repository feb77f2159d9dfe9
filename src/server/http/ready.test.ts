import fastify from 'fastify'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'
import type { KubernetesRuntime } from '../runtimes/kubernetes/kubernetes-runtime.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { readinessRoutes } from './ready.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

const ready = () => t.ask('/v1/api/ready')
const become = (http: number) => vi.waitFor(async () => expect((await ready()).http).toBe(http), 10_000)
const good = { database: 'ok', notifications: 'ok', vault: 'ok', engine: 'ok' }

test('all is there: ready; a node that drains still is', async () => {
  await become(200)
  expect((await ready()).body).toEqual({ ready: true, state: 'active', checks: good })
  t.state.draining = true
  expect(await ready()).toMatchObject({ http: 200, body: { ready: true, state: 'draining' } })
  t.state.draining = false
})

test('the connection that wakes this node breaks: not ready until it is back', async () => {
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'writ-listen' and datname = current_database()`.execute(t.engine.db)
  await become(503)
  expect((await ready()).body).toMatchObject({ ready: false, checks: { ...good, notifications: 'away' } })
  await become(200)
})

test.each<[string, string, (() => Promise<void>)[]]>([
  ['answers for each namespace', 'ok', [async () => {}, async () => {}]],
  ['refuses one of them', 'away', [async () => {}, () => Promise.reject(new Error('refused'))]],
  ['does not answer', 'away', [() => new Promise<never>(() => {})]],
])('Kubernetes %s: said, and no part of the verdict', async (_, kubernetes, all) => {
  await become(200)
  const namespaces = all.map((answers, n) => [`n${n}`, { answers } as unknown as KubernetesRuntime] as const)
  const runtime = { info: async () => ({}) } as unknown as Runtime
  const app = fastify()
  readinessRoutes(app, { ...t.engine, runtime, kubernetes: new Map(namespaces) }, t.state)
  const answer = await app.inject('/v1/api/ready')
  expect(answer.json()).toMatchObject({ ready: true, checks: { ...good, kubernetes } })
  expect(answer.statusCode).toBe(200)
})

test('no engine, and one that does not answer: not ready, and the answer comes in time', async () => {
  for (const info of [() => Promise.reject(new Error('gone')), () => new Promise<never>(() => {})]) {
    t.runtime.info = info
    const answer = await ready()
    expect(answer).toMatchObject({ http: 503, body: { checks: { ...good, engine: 'away' } } })
  }
  expect((await t.ask('/v1/api/live')).http).toBe(200)
})

test('sealed: not ready, alive', async () => {
  await t.engine.identity.close()
  expect(await ready()).toMatchObject({ http: 503, body: { checks: { vault: 'away' } } })
  expect(await t.ask('/v1/api/live')).toMatchObject({ http: 200, body: { live: true } })
})
