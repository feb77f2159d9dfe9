import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cpuTime } from '../../test/cpu-time.ts'
import { parseSecretRef } from './secret-ref.ts'

const NAME = 'ABCXYZabcxyz0189_'
const word = (characters: string) =>
  fc.array(fc.constantFrom(...characters), { minLength: 1, maxLength: 8 }).map(parts => parts.join(''))

test('the grammar: NAME@PATH.KEY', () => {
  const path = fc.array(word(`${NAME}-`), { minLength: 1, maxLength: 5 }).map(parts => parts.join('/'))
  fc.assert(
    fc.property(word(NAME), path, word(`${NAME}-`), (name, where, key) => {
      expect(parseSecretRef(`${name}@${where}.${key}`)).toEqual({ name, path: where, key })
    }),
  )
})

test.each([
  ['mysecret@secret/my-secret.my-value', 'mysecret', 'secret/my-secret', 'my-value'],
  ['mysecret@kv/data/my-secret.my-value', 'mysecret', 'kv/data/my-secret', 'my-value'],
  ['1@x.2', '1', 'x', '2'],
  ['a@/secret/b.c', 'a', 'secret/b', 'c'],
  ['a@secret//b/.c', 'a', 'secret/b', 'c'],
])('%s', (ref, name, path, key) => {
  expect(parseSecretRef(ref)).toEqual({ name, path, key })
})

test.each([
  ...['', '@', '.', 'a@b', 'a.b', '@b.c', 'a@.c', 'a@b.', 'a@b.c.d', 'a@b@c.d', 'a-b@c.d', 'a b@c.d', 'a@b c.d'],
  ...['a@b.c ', ' a@b.c', 'a@b.c\n', '\na@b.c', 'a@../b.c', 'a@b/../c.d', 'a@/.c', 'a@//.c', 'a@b?x=1.c'],
  ...['a@b%2e.c', 'ä@b.c', 'a@b.ö', 'a@b.c/d', 'a\0@b.c', `a@b.c\u2028`],
])('%j is none', ref => {
  expect(() => parseSecretRef(ref)).toThrow(expect.objectContaining({ code: 'secret_ref_invalid' }))
})

test('no text makes a path that climbs or an empty part', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', '-', '_', '/', '.', '@', '..', '//', '\n', ' ')).map(p => p.join('')),
      text => {
        try {
          const { path } = parseSecretRef(text)
          expect(path.split('/').every(part => /^[A-Za-z0-9_-]+$/.test(part))).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'secret_ref_invalid' })
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a long text that almost is one is refused in little time, and quoted in part', () => {
  const spent = cpuTime(() => {
    for (const text of [`a@${'b/'.repeat(500_000)}`, `${'a'.repeat(1_000_000)}`, `a@b.${'c'.repeat(1_000_000)} `]) {
      expect(() => parseSecretRef(text)).toThrow(expect.objectContaining({ code: 'secret_ref_invalid' }))
    }
  })
  expect(spent).toBeLessThan(1_000)
})
