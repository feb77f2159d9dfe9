import { expect, test } from 'vitest'
import { cpuTime } from '../../../../test/cpu-time.ts'
import { NotASignature, readArmor } from './armor.ts'

const armored = (body: string) => `-----BEGIN SSH SIGNATURE-----\n${body}\n-----END SSH SIGNATURE-----`

test('blanks behind it are nothing', () => {
  expect(readArmor(`${armored('aGVsbG8=')}\r\n \n`)).toEqual({ kind: 'SSH SIGNATURE', bytes: Buffer.from('hello') })
})

test.each([
  ['blanks, and then something', `${armored('aGVsbG8=')}${' '.repeat(500_000)}x`],
  ['short lines', armored('aGVs\n'.repeat(100_000))],
  ['one long line', armored('aGVs'.repeat(20_000))],
])('a commit of nothing but its signature is refused without a long look: %s', (_, text) => {
  const spent = cpuTime(() => expect(() => readArmor(text)).toThrow(NotASignature))
  // the square of half a million would take minutes
  expect(spent).toBeLessThan(2_000)
})
