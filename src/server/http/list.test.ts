import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'
import type { Secret } from '../../vault/secret.ts'
import { identifyCaller } from '../jobs/caller.ts'

let t: TestHttp
/** Submitted all that is in `own`, reads the queues `open…` by policy, neither, everything. */
let owner: Secret
let reader: Secret
let stranger: Secret

beforeAll(async () => {
  t = await startTestHttp()
  await t.stack.write('sys/policies/acl/open', { policy: 'path "writ/queues/open*" { capabilities = ["read"] }' })
  owner = await t.stack.token({ policies: ['default'] })
  reader = await t.stack.token({ policies: ['default', 'open'] })
  stranger = await t.stack.token({ policies: ['default'] })
  const { accessorHash } = await identifyCaller(t.stack.vault, owner)
  const mine = { submitterEntity: '', submitterAccessorHash: accessorHash }
  const theirs = { submitterEntity: '', submitterAccessorHash: 'somebody' }
  for (let i = 0; i < 25; i += 1) await t.queue({ ...mine, qname: 'own' })
  for (let i = 0; i < 5; i += 1) await t.queue({ ...theirs, qname: `open ${i % 2}` })
  for (let i = 0; i < 5; i += 1) await t.queue({ ...theirs, qname: 'closed' })
  await t.queue({ ...theirs, qname: '' })
  await sql`update jobs set status = 'failed', ended_at = now() where qname = 'open 1'`.execute(t.engine.db)
})
afterAll(() => t.close())

const ids = (answer: { body: { data: { _id: string }[] } }) => answer.body.data.map(job => job._id)
const asked = (number: number) => number.toString(16).padStart(24, '0')

test('everybody sees his own and what a policy opens, newest first', async () => {
  const first = await t.ask('/v1/api/job', owner)
  expect(first.body).toMatchObject({ skip: 0, limit: 10, total: 25, total_exact: true })
  expect(ids(first)).toEqual([25, 24, 23, 22, 21, 20, 19, 18, 17, 16].map(asked))
  const open = await t.ask('/v1/api/job', reader)
  expect(ids(open)).toEqual([30, 29, 28, 27, 26].map(asked))
  expect(open.body).toMatchObject({ total: 5, next: '' })
  expect((await t.ask('/v1/api/job', stranger)).body).toMatchObject({ data: [], total: 0, next: '' })
  expect((await t.ask('/v1/api/job?limit=100', t.stack.root)).body.data).toHaveLength(36)
})

test('who may submit to a queue, or kill there, does not see it', async () => {
  const policy = 'path "writ/queues/*" { capabilities = ["create", "update", "delete", "list"] }'
  await t.stack.write('sys/policies/acl/submits', { policy })
  const submits = await t.stack.token({ policies: ['default', 'submits'] })
  expect((await t.ask('/v1/api/job', submits)).body).toMatchObject({ data: [], total: 0, next: '' })
  expect((await t.ask('/v1/api/job?qname=closed', submits)).body).toMatchObject({ data: [], total: 0 })
  expect((await t.ask('/v1/api/queues', submits)).body.data).toEqual([])
})

test('pages by cursor hold each job once, also when new ones come in between', async () => {
  const seen: string[] = []
  let path = '/v1/api/job?limit=7&qname=own'
  for (;;) {
    const page = await t.ask(path, t.stack.root)
    seen.push(...ids(page))
    if (page.body.next === '') break
    path = `/v1/api/job?limit=7&qname=own&cursor=${page.body.next}`
    await t.queue({ qname: 'own', submitterEntity: '', submitterAccessorHash: 'somebody' })
  }
  expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => asked(25 - i)))
  await sql`delete from jobs where qname = 'own' and submitter_accessor_hash = 'somebody'`.execute(t.engine.db)
})

test('a cursor is a place and no permission', async () => {
  const { next } = (await t.ask('/v1/api/job?limit=3', t.stack.root)).body
  const page = await t.ask(`/v1/api/job?cursor=${next}`, reader)
  expect(ids(page).every(id => Number.parseInt(id, 16) > 25 && Number.parseInt(id, 16) <= 30)).toBe(true)
})

test('filters: state, queue, time; together they narrow', async () => {
  expect(ids(await t.ask('/v1/api/job?status=failed', t.stack.root))).toEqual([29, 27].map(asked))
  expect((await t.ask('/v1/api/job?status=failed,queued&limit=100', t.stack.root)).body.total).toBe(36)
  expect(ids(await t.ask('/v1/api/job?qname=OPEN%201', reader))).toEqual([29, 27].map(asked))
  expect(ids(await t.ask('/v1/api/job?qname=open%201&status=queued', reader))).toEqual([])
  expect(ids(await t.ask('/v1/api/job?qname=', t.stack.root))).toEqual([asked(36)])
  expect(ids(await t.ask('/v1/api/job?qname=closed', reader))).toEqual([])
  await sql`update jobs set submitted_at = submitted_at + interval '1 hour' where qname = 'closed'`.execute(t.engine.db)
  const soon = new Date(Date.now() + 60_000).toISOString()
  expect((await t.ask(`/v1/api/job?since=${soon}`, t.stack.root)).body.total).toBe(5)
})

test('more queues than are looked at one by one', async () => {
  for (let i = 0; i < 60; i += 1) await t.queue({ qname: `open many ${i}` })
  const page = await t.ask('/v1/api/job?limit=61', reader)
  expect(page.body).toMatchObject({ total: 65, total_exact: true })
  expect(page.body.data).toHaveLength(61)
  expect(new Set(ids(page)).size).toBe(61)
  await sql`delete from jobs where qname like 'open many%'`.execute(t.engine.db)
})

test.each([
  'limit=0',
  'limit=101',
  'limit=ten',
  'limit=1&limit=2',
  'status=lost',
  'status=',
  'since=yesterday',
  'cursor=%27',
  'cursor=AAAA',
  `cursor=${Buffer.from('1.2').toString('base64url')}&skip=1`,
])('%s is refused', async query => {
  expect(await t.ask(`/v1/api/job?${query}`, owner)).toMatchObject({ http: 400, body: { code: 'query_invalid' } })
})

test("GoStint's skip: what is no number is 0, and what is too far is empty", async () => {
  const skipped = async (query: string) => (await t.ask(`/v1/api/job?${query}`, owner)).body.skip
  for (const skip of ['', 'x', '-5', '3x', '1e1', '0x5', '2.5', '%203'])
    expect(await skipped(`skip=${skip}`), skip).toBe(0)
  expect(await skipped('skip=%2B3')).toBe(3)
  expect(await skipped('skip=4&skip=5')).toBe(4)
  expect(ids(await t.ask('/v1/api/job?skip=20', owner))).toEqual([5, 4, 3, 2, 1].map(asked))
  expect((await t.ask('/v1/api/job?skip=9999999999', owner)).body).toMatchObject({ data: [], skip: 100_000, total: 25 })
})

test('queues: what waits and since when, only of those that a policy opens', async () => {
  const { http, body } = await t.ask('/v1/api/queues', reader)
  expect(http).toBe(200)
  expect(body.data).toEqual([
    { qname: 'open 0', waiting: 3, running: 0, oldest: expect.stringMatching(/^20\d\d-/) },
    { qname: 'open 1', waiting: 0, running: 0, oldest: '0001-01-01T00:00:00Z' },
  ])
  expect((await t.ask('/v1/api/queues', owner)).body).toEqual({ data: [] })
  const all = (await t.ask('/v1/api/queues', t.stack.root)).body.data.map((queue: { qname: string }) => queue.qname)
  expect(all).toEqual(['', 'closed', 'open 0', 'open 1', 'own'])
  expect((await t.ask('/v1/api/queues')).http).toBe(400)
})

test('a list shows the beginning of an output, and says where it is cut', async () => {
  const id = await t.queue({ qname: 'open 0' })
  const data = Buffer.alloc(40_000, 'x')
  await t.engine.db.insertInto('output').values({ job_id: id, start: 0, stream: 'stdout', data }).execute()
  await sql`update jobs set status = 'success', output_bytes = 40000 where id = ${id}`.execute(t.engine.db)
  const [job] = (await t.ask('/v1/api/job?limit=1', reader)).body.data
  expect(job.output).toMatch(/^x{16384}\n\[writ: /)
  expect((await t.ask(`/v1/api/job/${id}`, reader)).body.output).toHaveLength(40_000)
})
