import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Piece, RecordedText } from './recorded-text.ts'

function given(...chunks: (Buffer | string)[]): Piece[] {
  const text = new RecordedText()
  return [...chunks.flatMap(chunk => text.push(Buffer.from(chunk))), ...text.end()]
}

/** The copy of what these chunks are, by the lengths and pieces that were given. */
function converted(...chunks: (Buffer | string)[]): Buffer {
  const pieces = given(...chunks)
  // each piece is judged by itself, and the bytes pass as they came
  expect(
    Buffer.concat(pieces.map(({ data }) => data)).equals(Buffer.concat(chunks.map(chunk => Buffer.from(chunk)))),
  ).toBe(true)
  return Buffer.concat(
    pieces.map(({ data, advance }) => {
      const text = judged(data)
      expect(advance?.(data.length) ?? data.length).toBe(text.length)
      return text
    }),
  )
}

/** What the engine does, at its plainest: a record ends with a newline or at 16,384 bytes, and is judged on its own. */
function model(whole: Buffer): Buffer {
  const records: Buffer[] = []
  for (let start = 0; start < whole.length; ) {
    const newline = whole.indexOf('\n', start)
    const end = Math.min(newline < 0 ? whole.length : newline, start + 16_384)
    const next = end === newline ? end + 1 : end
    records.push(whole.subarray(start, next))
    start = next
  }
  return Buffer.concat(records.map(judged))
}

function judged(record: Buffer): Buffer {
  const out: Buffer[] = []
  for (let at = 0; at < record.length; ) {
    const length = [1, 2, 3, 4].find(n => {
      if (at + n > record.length) return false
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(record.subarray(at, at + n)).length > 0
      } catch {
        return false
      }
    })
    out.push(length ? record.subarray(at, at + length) : Buffer.from('\ufffd'))
    at += length ?? 1
  }
  return Buffer.concat(out)
}

describe('what is not UTF-8', () => {
  test.each<[string, number[], string]>([
    ['a stray byte', [0x61, 0xff, 0x62], 'a\ufffdb'],
    ['a character without its end', [0xe2, 0x82, 0x41], '\ufffd\ufffdA'],
    ['a half character at the end', [0x41, 0xe2, 0x82], 'A\ufffd\ufffd'],
    ['an overlong form', [0xc0, 0x80], '\ufffd\ufffd'],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    ['beyond the last character', [0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
    ['the replacement character itself', [0xef, 0xbf, 0xbd], '\ufffd'],
  ])('%s', (_, bytes, text) => {
    expect(converted(Buffer.from(bytes)).toString()).toBe(text)
  })
})

test('a character in two chunks stays whole and comes with the second', () => {
  const text = new RecordedText()
  expect(text.push(Buffer.from([0x41, 0xe2, 0x82]))).toEqual([{ data: Buffer.from('A') }])
  expect(text.push(Buffer.from([0xac]))).toEqual([{ data: Buffer.from('€') }])
})

test('a character across the end of a record is broken', () => {
  expect(converted('x'.repeat(16_383), '€\n').toString()).toBe(`${'x'.repeat(16_383)}\ufffd\ufffd\ufffd\n`)
  expect(converted('x'.repeat(16_381), '€\n').toString()).toBe(`${'x'.repeat(16_381)}€\n`)
})

test('UTF-8 passes uncopied', () => {
  const chunk = Buffer.from('grüße\n'.repeat(10_000))
  expect(new RecordedText().push(chunk)[0]?.data.buffer).toBe(chunk.buffer)
})

test('agrees with the plain model, however the bytes are cut', () => {
  const piece = fc.oneof(
    fc.constantFrom('\n', '€', 'ä', '🙂', 'x'.repeat(16_383), 'x'.repeat(16_384), 'y'.repeat(9_000), 'ä'.repeat(8_192)),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.uint8Array({ maxLength: 6 }).map(Buffer.from),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 8 }), (pieces, cuts) => {
      const whole = Buffer.concat(pieces.map(part => Buffer.from(part)))
      const at = [0, ...cuts.map(cut => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
      const chunks = at.slice(1).map((end, i) => whole.subarray(at[i], end))
      expect(converted(...chunks).equals(model(whole))).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('a copy that is exact has what came, and nothing is held back for it', () => {
  const text = new RecordedText({ exact: true })
  const [piece] = text.push(Buffer.from([0x41, 0xe2, 0x82]))
  expect(piece).toEqual({ data: Buffer.from([0x41, 0xe2, 0x82]) })
  expect([text.held.data.length, text.end()]).toEqual([0, []])
  expect(text.tail).toEqual(Buffer.from([0x41, 0xe2, 0x82]))
})

test('keeps the end of the copy, and not more than it needs of the rest', () => {
  const text = new RecordedText()
  for (let n = 0; n < 200; n++)
    text.push(Buffer.concat([Buffer.from(`${n} `.padEnd(16_000, 'x')), Buffer.from([0xff, 10])]))
  const tail = text.tail.toString()
  expect(tail.length).toBeGreaterThan(1_200_000)
  expect(tail.length).toBeLessThan(1_500_000)
  expect(tail.endsWith(`${'199 '.padEnd(16_000, 'x')}\ufffd\n`)).toBe(true)
})
