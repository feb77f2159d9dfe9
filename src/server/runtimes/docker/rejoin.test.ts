import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Rejoin } from './rejoin.ts'

/** The copy as it is read: in pieces, perhaps broken off and begun again. */
function read(rejoin: Rejoin, copy: Buffer, cuts: number[], breaks = 0): string {
  const got: Buffer[] = []
  for (let round = 0; round <= breaks; round++) {
    rejoin.restart()
    const until = round < breaks ? Math.floor((copy.length * (round + 1)) / (breaks + 2)) : copy.length
    const at = [0, ...cuts.map(cut => cut % (until + 1)).sort((a, b) => a - b), until]
    for (const [i, end] of at.slice(1).entries()) got.push(rejoin.accept(copy.subarray(at[i], end)))
  }
  got.push(rejoin.end())
  return Buffer.concat(got).toString()
}

const anything = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 12 })
const cuts = fc.array(fc.nat(), { maxLength: 5 })

test('gives what is new, where the copy has everything that was delivered', () => {
  fc.assert(
    fc.property(anything, anything, anything, cuts, fc.nat(2), (before, open, after, at, breaks) => {
      const rejoin = new Rejoin(before.length + open.length, Buffer.from(open))
      const copy = Buffer.from(before + open + after)
      expect(read(rejoin, copy, at, breaks)).toBe(after)
      expect(rejoin.known).toBe(copy.length)
    }),
  )
})

test('gives what is new, where the engine forgot the line that was begun', () => {
  fc.assert(
    fc.property(anything, anything, anything, cuts, fc.nat(2), (before, open, after, at, breaks) => {
      // If it goes on like the forgotten line, nobody can tell the two apart.
      fc.pre(!after.startsWith(open))
      const rejoin = new Rejoin(before.length + open.length, Buffer.from(open))
      expect(read(rejoin, Buffer.from(before + after), at, breaks)).toBe(after)
    }),
  )
})
