import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RecordedText } from '../runtimes/docker/recorded-text.ts'
import { createMasker } from './mask.ts'
import { OutputPosition } from './output-position.ts'

/** What the recovery copy has of these bytes, all at once. */
function copied(whole: Buffer): number {
  const text = new RecordedText()
  const pieces = [...text.push(whole), ...text.end()]
  return pieces.reduce((sum, { data, advance }) => sum + (advance?.(data.length) ?? data.length), 0)
}

const SECRETS = ['päss€word', '€€', 'ssss', '🙂x🙂'].map((value, n) => ({ name: `s${n}`, value }))

const piece = fc.oneof(
  fc
    .constantFrom('päss€word', '€', 'pä', 's', '🙂', 'x🙂', '\n', 'x'.repeat(16_380), '€'.repeat(5_461))
    .map(text => Buffer.from(text)),
  fc.uint8Array({ maxLength: 4 }).map(bytes => Buffer.from(bytes)),
)

test('stands where the recovery copy has what is decided, whatever the bytes are and however they are cut', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 10 }), (pieces, cuts) => {
      const whole = Buffer.concat(pieces)
      const at = [0, ...cuts.map(cut => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
      const [masker, text, position] = [createMasker(SECRETS), new RecordedText(), new OutputPosition(7)]
      let taken = 0
      for (const [i, end] of at.slice(1).entries()) {
        for (const frame of text.push(whole.subarray(at[i], end))) {
          masker.push(frame.data)
          taken += frame.data.length
          position.add(frame, masker.pendingBytes, masker.heldBytes)
          // the record is judged as a whole: the rest of it may be what makes a character of the beginning, so only whole ones count
          expect(position.decided).toBe(7 + copied(whole.subarray(0, taken - masker.pendingBytes)))
        }
      }
      for (const frame of text.end()) {
        masker.push(frame.data)
        position.add(frame, masker.pendingBytes, masker.heldBytes)
      }
      masker.end()
      position.end()
      expect(position.decided).toBe(7 + copied(whole))
    }),
    { numRuns: 300 },
  )
})

test('a run of overlapping occurrences, broken by the copy again and again, keeps nothing in memory', () => {
  const masker = createMasker([{ name: 'wide', value: '€€' }])
  const position = new OutputPosition(0)
  const frame = { data: Buffer.from('€'.repeat(5_000)) }
  let asked = 0
  const advance = (bytes: number) => {
    asked += 1
    return bytes + 6
  }
  for (let round = 0; round < 2_000; round++) {
    masker.push(frame.data)
    position.add({ data: frame.data, advance }, masker.pendingBytes, masker.heldBytes)
  }
  expect(position.decided).toBe(0)
  masker.push(Buffer.from('.'))
  // each frame is asked once when it is dropped, not all of them at the end
  asked = 0
  position.add({ data: Buffer.from('.') }, masker.pendingBytes, masker.heldBytes)
  expect(asked).toBeLessThan(5)
  expect(position.decided).toBe(2_000 * 15_006 + 1)
})
