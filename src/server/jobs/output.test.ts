import { setTimeout as sleep } from 'node:timers/promises'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { Secret } from '../../vault/secret.ts'
import type { OutputFrame, SystemLine } from '../runtimes/runtime.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { type Hold, HoldLost } from '../store/runs.ts'
import type { Engine } from './engine.ts'
import { storeOutput } from './output.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

const SECRETS = new Map([['PW', new Secret('correct-horse-battery')]])
const never = new AbortController().signal

type Piece = readonly ['stdout' | 'stderr', string] | number
/** Frames as a container gives them; a number is a pause. */
async function* frames(pieces: Iterable<Piece>): AsyncGenerator<OutputFrame> {
  for (const piece of pieces) {
    if (typeof piece === 'number') await sleep(piece)
    else yield { stream: piece[0], data: Buffer.from(piece[1]) }
  }
}

async function store(pieces: Iterable<Piece>, more: { engine?: Engine; secrets?: typeof SECRETS } = {}) {
  const { hold, job } = await t.claim()
  const { engine = t.engine, secrets = SECRETS } = more
  await storeOutput(engine, hold, job, frames(pieces), secrets, never)
  return await stored(hold)
}

async function stored({ id }: Pick<Hold, 'id'>) {
  const job = await findJob(t.engine.db, id)
  if (!job) throw new Error('no job')
  const rows = await t.engine.db.selectFrom('output').selectAll().where('job_id', '=', id).orderBy('start').execute()
  // the offsets are those of one stream of bytes without a gap
  let at = 0
  for (const row of rows) {
    expect(row.start).toBe(at)
    at += row.data.byteLength
  }
  expect(job.output_bytes).toBe(at)
  const text = (stream: string) =>
    Buffer.concat(rows.flatMap(row => (row.stream === stream ? row.data : []))).toString()
  return { job, rows, stdout: text('stdout'), stderr: text('stderr') }
}

/** The database with some of its transactions failing, be they one statement or several: before anything happened, or after everything did. */
function failing(plan: ('before' | 'after' | 'no')[]): Engine {
  const planned = async <T>(work: () => Promise<T>): Promise<T> => {
    const next = plan.shift() ?? 'no'
    if (next === 'before') throw new Error('connection refused')
    const result = await work()
    if (next === 'after') throw new Error('connection lost before the answer to COMMIT')
    return result
  }
  const instead = <T extends object>(target: T, methods: Partial<T>): T =>
    new Proxy(target, {
      get(of, key) {
        const value = Reflect.get(methods, key) ?? Reflect.get(of, key)
        return typeof value === 'function' ? value.bind(of) : value
      },
    })
  const db = instead(t.engine.db, {
    transaction: () =>
      instead(t.engine.db.transaction(), { execute: work => planned(() => t.engine.db.transaction().execute(work)) }),
    getExecutor: () => {
      const executor = t.engine.db.getExecutor()
      return instead(executor, { executeQuery: query => planned(() => executor.executeQuery(query)) })
    },
  })
  return { ...t.engine, db }
}

test('both streams in their order, masked, counted', async () => {
  const { job, rows, stdout, stderr } = await store([
    ['stdout', 'one\n'],
    ['stderr', 'oops correct-horse-'],
    ['stdout', 'two\n'],
    ['stderr', 'battery\n'],
  ])
  expect([stdout, stderr]).toEqual(['one\ntwo\n', 'oops ***\n'])
  expect(rows.map(row => row.stream)).toEqual(['stdout', 'stderr', 'stdout', 'stderr'])
  expect(job).toMatchObject({ stdout_raw: 8, stderr_raw: 27, masked: { PW: 1 } })
})

test('no output at all', async () => {
  expect(await store([])).toMatchObject({ rows: [], job: { output_bytes: 0, stdout_raw: 0, masked: {} } })
})

test('thousands of little pieces become few rows', async () => {
  const { rows, stdout } = await store(Array.from({ length: 5_000 }, (_, n) => ['stdout', `${n}\n`] as const))
  expect(stdout).toBe(Array.from({ length: 5_000 }, (_, n) => `${n}\n`).join(''))
  expect(rows.length).toBeLessThan(100)
})

test('the first piece is stored while the job is silent', async () => {
  const { hold, job } = await t.claim()
  const done = storeOutput(
    t.engine,
    hold,
    job,
    frames([['stdout', 'at once\n'], 400, ['stdout', 'later\n']]),
    SECRETS,
    never,
  )
  await expect.poll(async () => (await stored(hold)).stdout, { timeout: 350, interval: 10 }).toBe('at once\n')
  await done
  expect((await stored(hold)).stdout).toBe('at once\nlater\n')
})

test('what is held back is not counted as dealt with: it is read again after a crash', async () => {
  const { hold, job } = await t.claim()
  const lost = new AbortController()
  async function* cut(): AsyncGenerator<OutputFrame> {
    yield* frames([['stdout', 'shown correct-horse'], 100])
    throw new Error('the node dies')
  }
  await expect(storeOutput(t.engine, hold, job, cut(), SECRETS, lost.signal)).rejects.toThrow('dies')
  const before = await stored(hold)
  expect(before).toMatchObject({ stdout: 'shown ', job: { stdout_raw: 6 } })
  const raw = Buffer.from('shown correct-horse-battery end')
  const rest: Piece[] = [['stdout', raw.subarray(before.job.stdout_raw).toString()]]
  await storeOutput(t.engine, hold, before.job, frames(rest), SECRETS, never)
  expect(await stored(hold)).toMatchObject({
    stdout: 'shown *** end',
    job: { stdout_raw: raw.length, masked: { PW: 1 } },
  })
})

test('wherever a node dies, its successor goes on with nothing lost, doubled or shown', async () => {
  const raw = 'a correct-horse-battery b correct-horse-batteryc correct-horse- battery correct-horse-battery'
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 }), async sizes => {
      const { hold, job } = await t.claim()
      let known: Job = job
      for (const size of [...sizes, raw.length]) {
        const rest = raw.slice(known.stdout_raw)
        const pieces = (rest.slice(0, size * 4).match(/.{1,3}/g) ?? []).map(part => ['stdout', part] as const)
        async function* dying(): AsyncGenerator<OutputFrame> {
          yield* frames(pieces)
          await sleep(3)
          if (size !== raw.length) throw new Error('dies')
        }
        await storeOutput(t.engine, hold, known, dying(), SECRETS, never).catch(() => {})
        known = (await stored(hold)).job
      }
      const { stdout, job: end } = await stored(hold)
      expect(stdout).toBe('a *** b ***c correct-horse- battery ***')
      expect(end).toMatchObject({ stdout_raw: raw.length, masked: { PW: 3 } })
    }),
    { numRuns: 15 },
  )
})

test.each([
  ['refuses', ['before', 'before', 'no', 'before']],
  ['loses the answer after it has stored', ['after', 'no', 'after']],
  ['does both', ['after', 'before', 'after']],
] as const)('a database that %s for a while: nothing lost, nothing doubled', async (_what, plan) => {
  const pieces: Piece[] = [['stdout', 'one '], 30, ['stderr', 'two '], 30, ['stdout', 'three '], 30, ['stdout', 'four']]
  const result = await store(pieces, { engine: failing([...plan]) })
  expect(result).toMatchObject({ stdout: 'one three four', stderr: 'two ' })
  expect(result.job).toMatchObject({ stdout_raw: 14, stderr_raw: 4 })
})

test('a job that is not held any more: it stops, and adds nothing', async () => {
  const { hold, job } = await t.claim()
  await t.engine.db.updateTable('jobs').set({ attempt: 7 }).where('id', '=', hold.id).execute()
  async function* endless(): AsyncGenerator<OutputFrame> {
    for (;;) {
      yield { stream: 'stdout', data: Buffer.from('line\n') }
      await sleep(1)
    }
  }
  await expect(storeOutput(t.engine, hold, job, endless(), SECRETS, never)).rejects.toBeInstanceOf(HoldLost)
  expect((await stored(hold)).rows).toEqual([])
})

test('lost while the database is away: it gives up waiting', async () => {
  const { hold, job } = await t.claim()
  const lost = new AbortController()
  const done = storeOutput(
    failing(Array(50).fill('before')),
    hold,
    job,
    frames([['stdout', 'x']]),
    SECRETS,
    lost.signal,
  )
  setTimeout(() => lost.abort(), 50)
  await expect(done).rejects.toThrow()
  expect((await stored(hold)).rows).toEqual([])
})

test('a slow database holds up the job instead of filling the memory', async () => {
  let produced = 0
  async function* much(): AsyncGenerator<OutputFrame> {
    for (; produced < 640; produced++) yield { stream: 'stdout', data: Buffer.alloc(64 * 1024, 'x') }
  }
  const { hold, job } = await t.claim()
  const lost = new AbortController()
  const done = storeOutput(failing(Array(50).fill('before')), hold, job, much(), SECRETS, lost.signal).catch(() => {})
  await sleep(100)
  // 1 MiB on its way, as much gathered behind it, and what is in between
  expect(produced).toBeLessThan(36)
  lost.abort()
  await done
})

test('secrets with names that objects have already are counted as any other', async () => {
  const names = ['constructor', '__proto__', 'toString', 'A']
  const secrets = new Map(names.map(name => [name, new Secret(`value-of-${name}`)]))
  const { job } = await store([['stdout', names.map(name => `value-of-${name}`).join(' ')]], { secrets })
  expect(Object.entries(job.masked).toSorted()).toEqual(names.map(name => [name, 1]).toSorted())
})

test('a secret that is too short to be masked is on the audit trail, by its name', async () => {
  const { job } = await store([['stdout', 'pin 123\n']], { secrets: new Map([...SECRETS, ['PIN', new Secret('123')]]) })
  const trail = await t.engine.db.selectFrom('audit').select('entry').where('job_id', '=', job.id).execute()
  expect(trail.map(row => JSON.parse(row.entry))).toMatchObject([
    { action: 'job.secret_not_masked', detail: { names: ['PIN'] } },
  ])
})

const GAP = 'Output may be missing here.\n'

const RECIPIENT = await identityToRecipient(await generateIdentity())

test.each(['', RECIPIENT])(
  'where some of it may be missing, a line says so, and the record and the trail do: recipients %j',
  async resultKey => {
    const { hold, job } = await t.claim({ resultKey })
    async function* output(): AsyncGenerator<OutputFrame | SystemLine> {
      yield* frames([['stdout', 'one\n']])
      yield { stream: 'system', data: Buffer.from(GAP), gap: true }
      yield* frames([['stdout', 'four\n']])
    }
    expect(job.output_gap).toBe(false)
    await storeOutput(t.engine, hold, job, output(), SECRETS, never)
    const after = await stored(hold)
    expect(after.job.output_gap).toBe(true)
    expect(after.rows.map(({ stream }) => stream)).toEqual(['stdout', 'system', 'stdout'])
    expect(after.rows[1]?.data.toString()).toBe(GAP)
    if (!resultKey) expect(after.stdout).toBe('one\nfour\n')
    const outcome = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const
    await t.engine.recorder.end({ hold, outcome })
    const { entry } = await t.engine.db
      .selectFrom('audit')
      .select('entry')
      .where('job_id', '=', hold.id)
      .orderBy('seq', 'desc')
      .executeTakeFirstOrThrow()
    expect(JSON.parse(entry)).toMatchObject({ action: 'job.ended', detail: { output_gap: true } })
  },
)

test('what the engine says is a line of the system, as it is, and moves no position', async () => {
  const { hold, job } = await t.claim()
  async function* output(): AsyncGenerator<OutputFrame | SystemLine> {
    yield { stream: 'stdout', data: Buffer.from('correct-') }
    yield { stream: 'system', data: Buffer.from('Kubernetes: it waits\n') }
    yield { stream: 'stdout', data: Buffer.from('horse-battery\n'), advance: bytes => bytes * 1_000 }
  }
  await storeOutput(t.engine, hold, job, output(), SECRETS, never)
  const { rows, stdout, job: after } = await stored(hold)
  expect(rows.filter(row => row.stream === 'system').map(row => row.data.toString())).toEqual([
    'Kubernetes: it waits\n',
  ])
  expect(stdout).not.toContain('horse')
  expect(after.stdout_raw).toBe('correct-'.length + 'horse-battery\n'.length * 1_000)
})
