import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobEvent } from './output-event.ts'
import { decodeFrames, encodeFrame } from './output-frames.ts'

const event: fc.Arbitrary<JobEvent> = fc.oneof(
  fc.record({
    kind: fc.constant('output' as const),
    offset: fc.nat(2 ** 40),
    stream: fc.constantFrom('stdout' as const, 'stderr' as const, 'system' as const),
    data: fc.uint8Array({ minLength: 1, maxLength: 60 }).map(bytes => Buffer.from(bytes)),
  }),
  fc.record({ kind: fc.constant('cut' as const), offset: fc.nat(2 ** 40), bytes: fc.nat(2 ** 40) }),
  fc.record({
    kind: fc.constant('end' as const),
    offset: fc.nat(2 ** 40),
    status: fc.constantFrom('success', 'failed', 'unknown'),
    returnCode: fc.integer({ min: 0, max: 255 }),
  }),
)

async function* cutInto(whole: Buffer, sizes: readonly number[]) {
  let at = 0
  for (const size of sizes) {
    yield whole.subarray(at, at + size)
    at += size
  }
  yield whole.subarray(at)
}

test('there and back, however it is cut: the same events', async () => {
  const noise = fc.constantFrom('', '\n', '{"kind":"other"}\n')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(noise, event), { maxLength: 8 }),
      fc.array(fc.nat(40)),
      async (events, sizes) => {
        const bytes = Buffer.concat(events.flatMap(([before, one]) => [Buffer.from(before), ...encodeFrame(one)]))
        const whole: JobEvent[] = []
        for await (const one of decodeFrames(cutInto(bytes, sizes))) whole.push(one)
        expect(whole).toEqual(events.map(([, one]) => one))
      },
    ),
    { numRuns: 200 },
  )
})

test('what is something else is not gathered for ever', async () => {
  async function* endless() {
    for (;;) yield Buffer.alloc(1_000, 'x')
  }
  await expect(decodeFrames(endless()).next()).rejects.toThrow('not a stream of frames')
})
