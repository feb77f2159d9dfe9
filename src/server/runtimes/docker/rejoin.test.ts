import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Rejoin } from './rejoin.ts'

/** The copy as it is read: in pieces, perhaps broken off and begun again. Also, where the cursor stands then. */
function read(
  rejoin: Rejoin,
  counted: number,
  copy: Buffer,
  cuts: number[],
  breaks = 0,
): [text: string, cursor: number] {
  const got: Buffer[] = []
  let cursor = counted
  const take = ({ data, advance }: ReturnType<Rejoin['accept']>) => {
    got.push(data)
    cursor += advance?.(data.length) ?? data.length
  }
  for (let round = 0; round <= breaks; round++) {
    rejoin.restart()
    const until = round < breaks ? Math.floor((copy.length * (round + 1)) / (breaks + 2)) : copy.length
    const at = [0, ...cuts.map(cut => cut % (until + 1)).sort((a, b) => a - b), until]
    for (const [i, end] of at.slice(1).entries()) take(rejoin.accept(copy.subarray(at[i], end)))
  }
  take(rejoin.end())
  return [Buffer.concat(got).toString(), cursor]
}

const anything = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 12 })
const begun = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 })
const cuts = fc.array(fc.nat(), { maxLength: 5 })

test('gives what is new, where the copy has everything that was delivered', () => {
  fc.assert(
    fc.property(anything, anything, anything, cuts, fc.nat(2), (before, last, after, at, breaks) => {
      const known = before.length + last.length
      const rejoin = new Rejoin(known, Buffer.from(last))
      expect(read(rejoin, known, Buffer.from(before + last + after), at, breaks)).toEqual([after, known + after.length])
      expect(rejoin.given).toBe(after.length)
    }),
  )
})

test('gives what is new, where the engine forgot the line that was begun', () => {
  fc.assert(
    fc.property(anything, begun, anything, cuts, fc.nat(2), (before, open, after, at, breaks) => {
      // If it goes on like the forgotten line, nobody can tell the two apart.
      fc.pre(!after.startsWith(open))
      const known = before.length + open.length
      const [text, cursor] = read(new Rejoin(known, Buffer.from(open)), known, Buffer.from(before + after), at, breaks)
      expect(text).toBe(after)
      // where there was nothing new, nobody reads on
      if (after !== '') expect(cursor).toBe(before.length + after.length)
    }),
  )
})

const LONG = 'x'.repeat(20_000)
const numbered = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => `${from + i}${(from + i) % 7 ? '' : LONG}\n`).join('')
const count = fc.nat(40)

test('an engine that was killed has lost lines of which the live stream may have been ahead: none is doubled, none torn, no other one left out', () => {
  fc.assert(
    fc.property(count, count, count, count, cuts, fc.nat(2), (noted, lost, after, delivered, at, breaks) => {
      const whole = numbered(0, noted + lost + after)
      const live = Math.min(delivered, noted + lost)
      const given = numbered(0, live)
      const copy = numbered(0, noted) + whole.slice(numbered(0, noted + lost).length)
      for (const kept of [given.length, Math.min(given.length, 300_000)]) {
        const rejoin = new Rejoin(given.length, Buffer.from(given.slice(given.length - kept)))
        const [text, cursor] = read(rejoin, given.length, Buffer.from(copy), at, breaks)
        expect(text).toBe(numbered(live, noted) + numbered(noted + lost, noted + lost + after))
        if (text !== '') expect(cursor).toBe(copy.length)
      }
    }),
    { numRuns: 60 },
  )
})

test('a copy that lacks something in the middle, of what was delivered whole, doubles nothing', () => {
  fc.assert(
    fc.property(count, count, count, count, cuts, (noted, lost, later, after, at) => {
      const given = numbered(0, noted + lost + later)
      const fresh = numbered(noted + lost + later, noted + lost + later + after)
      const copy = numbered(0, noted) + numbered(noted + lost, noted + lost + later) + fresh
      const rejoin = new Rejoin(given.length, Buffer.from(given))
      expect(read(rejoin, given.length, Buffer.from(copy), at)[0]).toBe(fresh)
    }),
    { numRuns: 60 },
  )
})

test('an engine that was there all the time is trusted: what the copy has of it need not look like what was delivered', () => {
  const rejoin = new Rejoin(6, Buffer.from('\xff\xff\n', 'latin1'))
  rejoin.trust()
  expect(read(rejoin, 6, Buffer.from('abcdefgh'), [])).toEqual(['gh', 8])
})

test('of lines that are all alike none is doubled', () => {
  const rejoin = new Rejoin(30, Buffer.from('ok\n'.repeat(10)))
  expect(read(rejoin, 30, Buffer.from('ok\n'.repeat(14)), [4, 11])[0]).toBe('ok\n'.repeat(4))
})
