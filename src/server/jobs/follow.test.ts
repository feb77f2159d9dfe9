import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import type { EndEvent, JobEvent, OutputEvent } from '../../protocol/output-event.ts'
import { openDatabase } from '../store/database.ts'
import { deleteJob } from '../store/jobs.ts'
import { appendOutput, type Chunk, type Stored } from '../store/output.ts'
import type { Hold } from '../store/runs.ts'
import { Wakeups } from '../store/wakeups.ts'
import { followJob } from './follow.ts'
import { storeOutput } from './output.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

const never = () => new AbortController().signal

/** A job that writes when the test says so. */
async function startJob(outputLimit = 64 << 20) {
  const { hold, job } = await t.claim({ outputLimit })
  let stored: Stored = job
  return {
    hold,
    write: async (...chunks: [stream: Chunk['stream'], text: string][]) => {
      const data = chunks.map(([stream, text]) => ({ stream, data: Buffer.from(text) }))
      const batch = { chunks: data, raw: { stdout: 0, stderr: 0 }, masked: {}, limit: outputLimit }
      stored = await appendOutput(t.engine.db, hold, stored, batch)
    },
    end: () => t.engine.recorder.end({ hold, outcome: { ...SUCCESS, returnCode: 3 } }),
  }
}
const SUCCESS = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const

const bytesOf = (events: JobEvent[]) =>
  Buffer.concat(events.filter((event): event is OutputEvent => event.kind === 'output').map(({ data }) => data))

async function all(hold: Pick<Hold, 'id'>, offset = 0): Promise<{ bytes: Buffer; end: EndEvent | undefined }> {
  const events: JobEvent[] = []
  let position = offset
  for await (const event of followJob(t.engine, hold.id, offset, never())) {
    expect(event.offset).toBe(position)
    if (event.kind === 'output') position += event.data.byteLength
    events.push(event)
  }
  return { bytes: bytesOf(events), end: events.at(-1) as EndEvent }
}

test('from any offset: the same bytes from there on, then the end', async () => {
  const job = await startJob()
  const chunks = Array.from(
    { length: 100 },
    (_, n) => [n % 3 ? 'stdout' : 'stderr', `${n}:${'x'.repeat(n % 7)}\n`] as [Chunk['stream'], string],
  )
  await job.write(...chunks)
  await job.end()
  const whole = Buffer.from(chunks.map(([, text]) => text).join(''))
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length), async offset => {
      const { bytes, end } = await all(job.hold, offset)
      expect(bytes.equals(whole.subarray(offset))).toBe(true)
      expect(end).toEqual({ kind: 'end', offset: whole.length, status: 'success', returnCode: 3 })
    }),
    { numRuns: 60, examples: [[0], [1], [whole.length], [whole.length - 1]] },
  )
})

test('an offset behind the end: the end', async () => {
  const job = await startJob()
  await job.write(['stdout', 'abc'])
  await job.end()
  const { bytes, end } = await all(job.hold, 1_000)
  expect([bytes.length, end?.kind]).toEqual([0, 'end'])
})

test('live, by many at once: each gets everything once, at once', async () => {
  const job = await startJob()
  const followers = [...Array(46).fill(0), 4, 9, 9, 5].map(async offset => ({
    offset,
    ...(await all(job.hold, offset)),
  }))
  let whole = ''
  for (let n = 0; n < 40; n++) {
    const text = `line ${n}\n`
    whole += text
    await job.write([n % 2 ? 'stdout' : 'stderr', text])
    if (n % 10 === 0) await sleep(10)
  }
  await job.end()
  for (const { offset, bytes, end } of await Promise.all(followers)) {
    expect(bytes.toString()).toBe(whole.slice(offset))
    expect(end?.returnCode).toBe(3)
  }
})

test('on another node than the one that stores it: everything once, live', async () => {
  const db = openDatabase(t.url, () => {})
  const wakeups = new Wakeups(t.url, () => {})
  const { hold, job } = await t.claim()
  const line = (n: number) => Buffer.from(`${n}: ${'x'.repeat(n % 90)}\n`.repeat(200))
  const written = Array.from({ length: 400 }, (_, n) => line(n))
  let heard = () => {}
  const first = new Promise<void>(resolve => (heard = resolve))
  const got: Buffer[] = []
  const following = (async () => {
    for await (const event of followJob({ ...t.engine, db, wakeups }, hold.id, 0, never())) {
      heard()
      if (event.kind === 'output') got.push(Buffer.from(event.data))
      else return event
    }
  })()
  async function* output() {
    for (const [n, data] of written.entries()) {
      yield { stream: n % 7 === 0 ? ('stderr' as const) : ('stdout' as const), data }
      // it is live: the job does not go on before it was heard
      if (n === 0) await first
    }
  }
  try {
    await storeOutput(t.engine, hold, job, output(), new Map(), never())
    await t.engine.recorder.end({ hold, outcome: SUCCESS })
    expect(await following).toMatchObject({ kind: 'end', status: 'success' })
    expect(Buffer.concat(got).equals(Buffer.concat(written))).toBe(true)
  } finally {
    await wakeups.close()
    await db.destroy()
  }
})

test('what is written arrives in well under the time of the next look', async () => {
  const job = await startJob()
  const events = followJob(t.engine, job.hold.id, 0, never())
  const next = events.next()
  await sleep(50)
  const start = performance.now()
  await job.write(['stdout', 'now'])
  expect((await next).value).toMatchObject({ kind: 'output', offset: 0 })
  expect(performance.now() - start).toBeLessThan(1_000)
  await events.return(undefined)
})

test('a job that is deleted meanwhile, or never was', async () => {
  const job = await startJob()
  const following = all(job.hold)
  following.catch(() => {})
  await sleep(20)
  await t.engine.db.transaction().execute(tx => deleteJob(tx, job.hold.id))
  await expect(following).rejects.toMatchObject({ code: 'job_not_found' })
  await expect(all({ id: 'f'.repeat(24) })).rejects.toMatchObject({ code: 'job_not_found' })
})

test('an abort ends it at once, and nobody listens any more, however it ended', async () => {
  const job = await startJob()
  const added: EventTarget[] = []
  const removed: EventTarget[] = []
  const signalOf = (abort: AbortController) => {
    const { signal } = abort
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      added.push(signal)
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      removed.push(signal)
      removeEventListener.apply(signal, args)
    }
    return signal
  }
  const onSpy: string[] = []
  const { on, off } = EventEmitter.prototype
  EventEmitter.prototype.on = function (name, listener) {
    if (name === 'job') onSpy.push('on')
    return on.call(this, name, listener)
  }
  EventEmitter.prototype.off = function (name, listener) {
    if (name === 'job') onSpy.push('off')
    return off.call(this, name, listener)
  }
  try {
    for (let n = 0; n < 20; n++) {
      const abort = new AbortController()
      const events = followJob(t.engine, job.hold.id, 0, signalOf(abort))
      const next = events.next()
      await sleep(2)
      const start = performance.now()
      abort.abort()
      expect(await next).toEqual({ done: true, value: undefined })
      expect(performance.now() - start).toBeLessThan(500)
    }
    await job.write(['stdout', 'x'])
    for await (const _ of followJob(t.engine, job.hold.id, 0, signalOf(new AbortController()))) break
  } finally {
    Object.assign(EventEmitter.prototype, { on, off })
  }
  expect(added.length).toBe(21)
  expect(removed).toEqual(added)
  expect(onSpy.filter(what => what === 'on').length).toBe(21)
  expect(onSpy.filter(what => what === 'off').length).toBe(21)
})
