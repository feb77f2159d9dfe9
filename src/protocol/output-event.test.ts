import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeEvents, encodeEvent, type JobEvent } from './output-event.ts'

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const size of sizes) {
    yield bytes.subarray(at, at + size)
    at += size
  }
  yield bytes.subarray(at)
}

async function decode(bytes: Uint8Array, sizes: readonly number[] = []): Promise<JobEvent[]> {
  const events: JobEvent[] = []
  for await (const one of decodeEvents(inPieces(bytes, sizes))) events.push(one)
  return events
}

const event: fc.Arbitrary<JobEvent> = fc.oneof(
  fc.record({
    kind: fc.constant('output' as const),
    offset: fc.nat(2 ** 40),
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    data: fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes)),
  }),
  fc.record({
    kind: fc.constant('end' as const),
    offset: fc.nat(2 ** 40),
    status: fc.constantFrom('success', 'failed', 'unknown'),
    returnCode: fc.integer({ min: 0, max: 255 }),
  }),
)

test('there and back: any bytes, cut into any pieces, among comments and events of other kinds', async () => {
  const noise = fc.constantFrom('', ': following\n\n', ':\n\n', 'event: other\ndata: {}\n\n', 'data: x\n\n', '\n\n')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(noise, event), { maxLength: 8 }),
      fc.array(fc.nat(30)),
      async (events, sizes) => {
        const text = events.map(([before, one]) => before + encodeEvent(one)).join('')
        expect(await decode(Buffer.from(text), sizes)).toEqual(events.map(([, one]) => one))
      },
    ),
    { numRuns: 200 },
  )
})

test('byte by byte', async () => {
  const one: JobEvent = { kind: 'output', offset: 0, stream: 'stdout', data: Buffer.from('\n\ndata: x\n\nüñ🌍\r\n\0') }
  const bytes = Buffer.from(encodeEvent(one) + encodeEvent(one))
  expect(await decode(bytes, Array(bytes.length).fill(1))).toEqual([one, one])
})

test('the id is where to go on', () => {
  const output = encodeEvent({ kind: 'output', offset: 100, stream: 'stderr', data: Buffer.alloc(28) })
  expect(output.split('\n')[0]).toBe('id: 128')
  expect(encodeEvent({ kind: 'end', offset: 128, status: 'failed', returnCode: 3 })).toBe(
    'id: 128\nevent: end\ndata: {"offset":128,"status":"failed","return_code":3}\n\n',
  )
})

test('an event that is cut off is none', async () => {
  const text = encodeEvent({ kind: 'output', offset: 0, stream: 'stdout', data: Buffer.from('abc') })
  for (const end of [1, 10, text.length - 1]) expect(await decode(Buffer.from(text.slice(0, end)))).toEqual([])
})

test('a megabyte in small pieces takes little time', async () => {
  const text = encodeEvent({ kind: 'output', offset: 0, stream: 'stdout', data: Buffer.alloc(1_000_000, 'x') })
  const start = performance.now()
  const [one] = await decode(Buffer.from(text), Array(2_000).fill(512))
  expect(one?.kind === 'output' && one.data.byteLength).toBe(1_000_000)
  expect(performance.now() - start).toBeLessThan(3_000)
})
