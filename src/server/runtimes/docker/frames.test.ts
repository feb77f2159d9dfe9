import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CopyUnreadable, FrameParser } from './frames.ts'

function encoded(stream: 'stdout' | 'stderr', payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream === 'stderr' ? 2 : 1
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

/** Splits at random places, also inside headers. */
const splits = (whole: Buffer, cuts: number[]) => {
  const at = [0, ...cuts.map(cut => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  return at.slice(1).map((end, i) => whole.subarray(at[i], end))
}

test('gives back every stream, however the bytes are cut', () => {
  const frame = fc.tuple(fc.constantFrom('stdout' as const, 'stderr' as const), fc.uint8Array({ maxLength: 40 }))
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.nat()), (frames, cuts) => {
      const parser = new FrameParser()
      const got = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
      const whole = Buffer.concat(frames.map(([stream, payload]) => encoded(stream, payload)))
      for (const chunk of splits(whole, cuts)) {
        for (const { stream, data } of parser.push(chunk)) got[stream].push(data)
      }
      for (const stream of ['stdout', 'stderr'] as const) {
        const sent = frames.filter(([name]) => name === stream).map(([, payload]) => payload)
        expect(Buffer.concat(got[stream])).toEqual(Buffer.concat(sent))
      }
      expect(parser.complete).toBe(true)
    }),
  )
})

test('keeps the order of the two streams', () => {
  const whole = Buffer.concat(
    ['a', 'b', 'c'].map((text, i) => encoded(i === 1 ? 'stderr' : 'stdout', Buffer.from(text))),
  )
  const frames = [...new FrameParser().push(whole)].map(({ stream, data }) => `${stream} ${data}`)
  expect(frames).toEqual(['stdout a', 'stderr b', 'stdout c'])
})

test('hands on views, not copies', () => {
  const chunk = encoded('stdout', Buffer.from('payload'))
  const [frame] = [...new FrameParser().push(chunk)]
  expect(frame?.data.buffer).toBe(chunk.buffer)
})

test.each([1, 7, 8, 12])('knows that a frame is cut off after %i bytes', length => {
  const parser = new FrameParser()
  for (const _ of parser.push(encoded('stdout', Buffer.from('payload')).subarray(0, length)));
  expect(parser.complete).toBe(false)
})

test('what the engine says of its own log is no output', () => {
  const said = encoded('stdout', Buffer.from('error from daemon in stream: Error grabbing logs: unexpected EOF\n'))
  said[0] = 3
  const whole = Buffer.concat([encoded('stdout', Buffer.from('one\n')), said])
  const got: string[] = []
  expect(() => {
    for (const { data } of new FrameParser().push(whole)) got.push(data.toString())
  }).toThrow(CopyUnreadable)
  expect(got).toEqual(['one\n'])
})
