import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { isFinal } from '../src/protocol/job.ts'
import { EngineProxy } from '../test/engine-proxy.ts'
import { countEvents } from './engine.ts'
import { type Ended, type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let proxy: EngineProxy
let server: ServerProcess

const LINES = 30
/** Numbered lines for about a second, on both streams, the last one without its end. */
const TALK = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; echo "err $i" >&2; sleep 0.03; done; printf end`
const TALKED = `${Array.from({ length: LINES }, (_, i) => `line ${i + 1}\n`).join('')}end`

beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack.close())
beforeEach(async () => {
  proxy = await new EngineProxy().open()
  server = await stack.startServer({ DOCKER_HOST: proxy.host })
})
afterEach(async () => {
  await server.stop('SIGKILL')
  await proxy.close()
})

async function submit(script: string, qname = ''): Promise<string> {
  const client = stack.client(server.address)
  return (await client.submit(shell(stack, script, { qname, secret_refs: ['NAME@secret/data/hello.password'] })))._id
}

/** kill -9, then a new server that has to find its own way. */
async function crashAndRestart(): Promise<void> {
  await server.stop('SIGKILL')
  server = await stack.startServer()
}

/** Ended once, started `starts` times at most, nothing left of it. */
async function expectOneEnd(id: string, starts = 1): Promise<Ended> {
  const ended = await untilEnded(stack, stack.client(server.address), id)
  expect(await countEvents(id, 'start')).toBeLessThanOrEqual(starts)
  expect(await stack.runtime.find(`writ-${id}`)).toBeNull()
  expect((await actions(id)).filter(action => action === 'job.ended')).toHaveLength(1)
  return ended
}

async function actions(id: string): Promise<string[]> {
  const { rows } = await sql<{
    action: string
  }>`select entry::jsonb->>'action' as action from audit where job_id = ${id}`.execute(stack.db)
  return rows.map(row => row.action)
}

test('after the job was accepted', async () => {
  const first = await submit(TALK, 'serial')
  const second = await submit(TALK, 'serial')
  await crashAndRestart()
  // the first may be anywhere in its start by now
  expect(await expectOneEnd(first, 2)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
  expect(await expectOneEnd(second)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
})

test('before the container is created', async () => {
  const reached = proxy.holdRequest(/^POST \S+\/containers\/create/)
  const id = await submit(TALK)
  await reached
  await crashAndRestart()
  expect(await expectOneEnd(id)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
})

test('after the container was created, before the server knows', async () => {
  const reached = proxy.holdAnswer(/^POST \S+\/containers\/create\?name=writ-/)
  const id = await submit(TALK)
  await reached
  await crashAndRestart()
  expect(await expectOneEnd(id)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
})

test('before the container is started', async () => {
  const reached = proxy.holdRequest(/^POST \S+\/containers\/\w+\/start/)
  const id = await submit(TALK)
  await reached
  await crashAndRestart()
  expect(await expectOneEnd(id)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
})

test.each([
  ['talks', TALK, { stdout: TALKED, job: { status: 'success' } }],
  [
    'ends as the gate does',
    'echo once; exit 125',
    { stdout: 'once\n', job: { status: 'failed', return_code: 125, error_code: '' } },
  ],
])(
  'after the container was started, before it has its secrets: it runs in a new one; it %s',
  async (_, script, ended) => {
    const reached = proxy.holdAnswer(/^POST \S+\/containers\/\w+\/start/)
    const id = await submit(script)
    await reached
    await crashAndRestart()
    expect(await expectOneEnd(id, 2)).toMatchObject(ended)
    expect(await actions(id)).toEqual(expect.arrayContaining(['job.taken_over', 'job.not_begun']))
  },
)

test.each([
  ['it ends as the gate does', '', ''],
  ['and wrote over the note of the gate', 'echo else >/.writ/state/started; ', 'start_interrupted'],
])('before it is noted that it has its secrets: it is not run again; %s', async (_, first, error_code) => {
  const id = await submit(`${first}echo once; sleep 2; exit 125`)
  await until(async () => (await stack.client(server.address).get(id)).output_bytes > 0)
  await server.stop('SIGKILL')
  await sql`update jobs set stage = 'starting' where id = ${id}`.execute(stack.db)
  server = await stack.startServer()
  const ended = await expectOneEnd(id)
  expect(ended).toMatchObject({ stdout: 'once\n', job: { status: 'failed', return_code: 125, error_code } })
  expect(await actions(id)).not.toContain('job.not_begun')
})

test('killed while nobody had it, before it has its secrets: it does not run', async () => {
  const reached = proxy.holdAnswer(/^POST \S+\/containers\/\w+\/start/)
  const id = await submit('echo must not run')
  await reached
  await server.stop('SIGKILL')
  await sql`update jobs set kill_requested = true where id = ${id}`.execute(stack.db)
  server = await stack.startServer()
  expect(await expectOneEnd(id)).toMatchObject({ stdout: '', job: { status: 'failed', error_code: 'job_killed' } })
})

test('while it runs: the output is complete, in order, nothing twice', async () => {
  const id = await submit(TALK)
  const client = stack.client(server.address)
  await until(async () => (await client.get(id)).output_bytes > 100)
  await crashAndRestart()
  const { stdout, stderr, job } = await expectOneEnd(id)
  expect(stdout).toBe(TALKED)
  expect(stderr).toBe(TALKED.replaceAll('line', 'err').replace('end', ''))
  expect(job).toMatchObject({ status: 'success', return_code: 0 })
})

test('again and again while it runs', async () => {
  const id = await submit(TALK.replace('0.03', '0.3'))
  // a crash before it has its secrets ends it (above)
  await until(async () => (await stack.client(server.address).get(id)).output_bytes > 0)
  for (let crash = 0; crash < 3; crash += 1) {
    await new Promise(resolve => setTimeout(resolve, 900))
    await crashAndRestart()
    // on a slow machine it has ended while the server started
    await until(
      async () => server.log().includes('claimed') || isFinal((await stack.client(server.address).get(id)).status),
    )
  }
  expect(await expectOneEnd(id)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
})

test('a secret in the output stays masked across a crash', async () => {
  const id = await submit('echo before; sleep 1.5; cat /secrets.yml')
  const client = stack.client(server.address)
  await until(async () => (await client.get(id)).output_bytes > 0)
  await crashAndRestart()
  const { stdout, job } = await expectOneEnd(id)
  expect(stdout).toContain('NAME: ***\n')
  expect(stdout).not.toContain('correct-horse')
  expect(job.masked).toMatchObject({ NAME: 1, TOKEN: 1 })
})

test('after the container ended, before the end is recorded', async () => {
  const id = await submit(`${TALK}; sleep 0.5; exit 3`)
  const client = stack.client(server.address)
  await until(async () => (await client.get(id)).output_bytes >= TALKED.length)
  // the database stands still: the server sees the end and cannot write it down
  await stack.db.transaction().execute(async tx => {
    await sql`lock table jobs in access exclusive mode`.execute(tx)
    await until(async () => (await stack.runtime.find(`writ-${id}`))?.phase === 'exited')
    await new Promise(resolve => setTimeout(resolve, 100))
    await server.stop('SIGKILL')
  })
  await crashAndRestart()
  expect(await expectOneEnd(id)).toMatchObject({ stdout: TALKED, job: { status: 'failed', return_code: 3 } })
})

test('after the end is recorded, before everything is released', async () => {
  const reached = proxy.holdRequest(/^DELETE \S+\/containers\//)
  const id = await submit(TALK)
  await reached
  expect((await stack.client(server.address).get(id)).status).toBe('success')
  await crashAndRestart()
  expect(await expectOneEnd(id)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
})

test('a killed job whose server crashes is still stopped', async () => {
  const id = await submit("trap '' TERM; echo up; sleep 600")
  const client = stack.client(server.address)
  await until(async () => (await client.get(id)).output_bytes > 0)
  await client.kill(id)
  await server.stop('SIGKILL')
  await crashAndRestart()
  expect((await expectOneEnd(id)).job).toMatchObject({ status: 'failed', error_code: 'job_killed' })
})

test('a container that somebody removed behind our back: unknown, and the queue goes on', async () => {
  const id = await submit('echo up; sleep 600', 'lost')
  const client = stack.client(server.address)
  await until(async () => (await client.get(id)).output_bytes > 0)
  const next = await submit('echo next', 'lost')
  await server.stop('SIGKILL')
  await stack.runtime.remove(`writ-${id}`)
  server = await stack.startServer()
  const ended = await untilEnded(stack, stack.client(server.address), id)
  expect(ended.job).toMatchObject({ status: 'unknown', error_code: 'container_lost' })
  expect(Date.parse(ended.job.ended)).toBeGreaterThan(Date.parse(ended.job.started))
  expect((await untilEnded(stack, stack.client(server.address), next)).stdout).toBe('next\n')
})

test('a server that stops in order hands its jobs over: the next one goes on at once', async () => {
  const id = await submit(TALK)
  const client = stack.client(server.address)
  await until(async () => (await client.get(id)).output_bytes > 50)
  await server.stop('SIGTERM')
  server = await stack.startServer()
  expect(await expectOneEnd(id)).toMatchObject({ stdout: TALKED, job: { status: 'success' } })
})

test('behind a proxy that cannot half-close: the output is complete all the same', async () => {
  const stubborn = await new EngineProxy({ halfOpen: false }).open()
  const behind = await stack.startServer({ DOCKER_HOST: stubborn.host })
  try {
    await server.stop('SIGTERM')
    const client = stack.client(behind.address)
    for (const script of ['echo short', TALK]) {
      const { _id } = await client.submit(shell(stack, script))
      const { stdout, job } = await untilEnded(stack, client, _id)
      expect(job.status).toBe('success')
      expect(stdout).toBe(script === TALK ? TALKED : 'short\n')
    }
  } finally {
    await behind.stop('SIGTERM')
    await stubborn.close()
  }
})
