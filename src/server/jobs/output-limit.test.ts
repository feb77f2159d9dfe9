import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import type { JobEvent } from '../../protocol/output-event.ts'
import type { OutputFrame } from '../runtimes/runtime.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { outputEnds } from '../store/output.ts'
import type { Hold } from '../store/runs.ts'
import { followJob } from './follow.ts'
import { storeOutput } from './output.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

const LIMIT = 65_536
const never = new AbortController().signal

const line = (n: number) => `${n}: ${'x'.repeat(n % 90)}\n`
const lines = (count: number, from = 0) => Array.from({ length: count }, (_, i) => line(from + i)).join('')

async function* frames(text: string, size = 7_000): AsyncGenerator<OutputFrame> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield { stream: 'stdout', data: bytes.subarray(at, at + size) }
}

async function end(hold: Hold): Promise<void> {
  const outcome = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const
  await t.engine.recorder.end({ hold, outcome })
}

async function rowsOf(hold: Hold) {
  return await t.engine.db.selectFrom('output').selectAll().where('job_id', '=', hold.id).orderBy('start').execute()
}

async function events(hold: Hold, offset = 0): Promise<JobEvent[]> {
  const got: JobEvent[] = []
  for await (const event of followJob(t.engine, hold.id, offset, never)) got.push(event)
  return got
}

/** Checks all that holds of an output of `whole` whatever happened, and says what is left out. */
async function check(hold: Hold, whole: Buffer): Promise<{ from: number; to: number }> {
  const job = (await findJob(t.engine.db, hold.id)) as Job
  const rows = await rowsOf(hold)
  expect(job.output_bytes).toBe(whole.length)
  for (const { start, data } of rows) expect(data.equals(whole.subarray(start, start + data.length))).toBe(true)
  const kept = rows.reduce((sum, { data }) => sum + data.length, 0)
  expect(kept).toBeLessThanOrEqual(LIMIT)
  if (whole.length > LIMIT) expect(kept).toBeGreaterThan(LIMIT * 0.7)
  const gaps = rows.flatMap(({ start, data }, i) => {
    const next = rows[i + 1]?.start ?? whole.length
    return start + data.length === next ? [] : [{ from: start + data.length, to: next }]
  })
  expect(gaps).toEqual(job.tail_start !== job.head_end ? [{ from: job.head_end, to: job.tail_start }] : [])
  return gaps[0] ?? { from: whole.length, to: whole.length }
}

describe('an output larger than its limit', () => {
  test('keeps its beginning and its end, and says everywhere how much is missing', async () => {
    const { hold, job } = await t.claim({ outputLimit: LIMIT })
    const whole = Buffer.from(lines(20_000))
    await storeOutput(t.engine, hold, job, frames(whole.toString()), new Map(), never)
    await end(hold)
    const { from, to } = await check(hold, whole)
    expect(from).toBeGreaterThan(LIMIT * 0.35)
    expect(whole.length - to).toBeGreaterThan(LIMIT * 0.35)

    const got = await events(hold)
    const cut = got.filter(event => event.kind === 'cut')
    expect(cut).toEqual([{ kind: 'cut', offset: from, bytes: to - from }])
    const text = Buffer.concat(got.flatMap(event => (event.kind === 'output' ? [event.data] : [])))
    expect(text.equals(Buffer.concat([whole.subarray(0, from), whole.subarray(to)]))).toBe(true)
    expect(got.at(-1)).toMatchObject({ kind: 'end', offset: whole.length })

    for (const offset of [from - 1, from, from + 1, to - 1, to, to + 1]) {
      const [first, second] = await events(hold, offset)
      if (offset < from) expect([first?.kind, first?.offset, second?.kind]).toEqual(['output', offset, 'cut'])
      else if (offset < to) expect(first).toEqual({ kind: 'cut', offset, bytes: to - offset })
      else expect(first).toMatchObject({ kind: 'output', offset })
    }

    for (const limit of [4 << 20, 20_000]) {
      const ends = await outputEnds(t.engine.db, (await findJob(t.engine.db, hold.id)) as Job, limit)
      const [head, tail] = [ends.head, ends.tail].map(chunks => Buffer.concat(chunks.map(({ data }) => data)))
      expect(head?.equals(whole.subarray(0, head.length))).toBe(true)
      expect(tail?.equals(whole.subarray(-tail.length))).toBe(true)
      expect((head?.length ?? 0) + (tail?.length ?? 0) + ends.missing).toBe(whole.length)
    }
  })

  test.each([LIMIT / 2, LIMIT - 9_000, LIMIT])('of %i bytes is kept whole', async length => {
    const { hold, job } = await t.claim({ outputLimit: LIMIT })
    const whole = Buffer.from(lines(3_000).slice(0, length))
    await storeOutput(t.engine, hold, job, frames(whole.toString(), 1_000), new Map(), never)
    await end(hold)
    expect(await check(hold, whole)).toEqual({ from: length, to: length })
    expect((await events(hold)).filter(event => event.kind === 'cut')).toEqual([])
    const ends = await outputEnds(t.engine.db, (await findJob(t.engine.db, hold.id)) as Job, 4 << 20)
    expect(ends.missing).toBe(0)
  })

  test('wherever nodes die in between, the same is kept', async () => {
    const whole = Buffer.from(lines(8_000))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 6 }), async deaths => {
        const { hold, job } = await t.claim({ outputLimit: LIMIT })
        let known: Job = job
        for (const after of [...deaths, Number.POSITIVE_INFINITY]) {
          async function* dying() {
            let count = 0
            for await (const frame of frames(whole.toString('latin1', known.stdout_raw))) {
              count += 1
              if (count > after) throw new Error('dies')
              yield frame
            }
          }
          await storeOutput(t.engine, hold, known, dying(), new Map(), never).catch(() => {})
          known = (await findJob(t.engine.db, hold.id)) as Job
        }
        expect(known.stdout_raw).toBe(whole.length)
        await check(hold, whole)
      }),
      { numRuns: 8 },
    )
  })

  test('a follower who keeps up gets everything; one who does not is told what he missed, and nobody waits for him', async () => {
    const { hold, job } = await t.claim({ outputLimit: LIMIT })
    // more than is remembered for followers
    const whole = Buffer.from(lines(120_000))
    const follower = followJob(t.engine, hold.id, 0, never)
    const slow = followJob(t.engine, hold.id, 0, never)
    const got: Buffer[] = []
    let read = 0
    /** The job goes on when the first follower has what it wrote so far: he keeps up. */
    async function* inStep(): AsyncGenerator<OutputFrame> {
      let written = 0
      for await (const frame of frames(whole.toString())) {
        yield frame
        written += frame.data.byteLength
        while (read < written - 2 * 4 * 8_192) {
          const { value } = await follower.next()
          expect(value?.kind).toBe('output')
          if (value?.kind !== 'output') return
          got.push(Buffer.from(value.data))
          read += value.data.byteLength
        }
      }
    }
    const first = slow.next()
    await storeOutput(t.engine, hold, job, inStep(), new Map(), never)
    await end(hold)
    for await (const event of follower) if (event.kind === 'output') got.push(Buffer.from(event.data))
    expect(Buffer.concat(got).equals(whole)).toBe(true)
    const kinds = new Set([(await first).value?.kind])
    let position = 0
    for await (const event of slow) {
      kinds.add(event.kind)
      position = event.offset
    }
    expect([...kinds]).toEqual(['output', 'cut', 'end'])
    expect(position).toBe(whole.length)
  })
})

test('a job that changes its stream with each byte is stored whole', async () => {
  const { hold, job } = await t.claim()
  async function* flicker(): AsyncGenerator<OutputFrame> {
    for (let n = 0; n < 40_000; n++) yield { stream: n % 2 ? 'stderr' : 'stdout', data: Buffer.from([97 + (n % 26)]) }
  }
  await storeOutput(t.engine, hold, job, flicker(), new Map(), never)
  const rows = await rowsOf(hold)
  expect(Buffer.concat(rows.map(({ data }) => data)).length).toBe(40_000)
})
