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

test.each(['SIGNED MESSAGE', 'PGP MESSAGE', 'PGP SIGNATUREX', 'SSH SIGNATURE x', 'constructor', ''])(
  'armour of the kind %j is none of a signature',
  kind => {
    const text = armored('aGVsbG8=').replaceAll('SSH SIGNATURE', kind)
    expect(() => readArmor(text)).toThrow('neither OpenPGP nor ssh')
  },
)

test.each([
  ['in front of its first line', `x${armored('aGVsbG8=')}`],
  ['a blank in front', ` ${armored('aGVsbG8=')}`],
  ['a line in front', `x\n${armored('aGVsbG8=')}`],
  ['behind its first line', armored('aGVsbG8=').replace('-----\n', '-----x\n')],
  ['behind its last line', `${armored('aGVsbG8=')}x`],
  ['a line behind', `${armored('aGVsbG8=')}\nx`],
  ['another one behind', `${armored('aGVsbG8=')}\n${armored('aGVsbG8=')}`],
])('with something else %s', (_, text) => {
  expect(() => readArmor(text)).toThrow(NotASignature)
})
