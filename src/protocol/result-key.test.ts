import { expect, test } from 'vitest'
import { parseResultKey, parseTransitKey, resultKeyText } from './result-key.ts'

const AGE = `age1${'q'.repeat(58)}`
const CIPHERTEXT = `vault:v1:${'A'.repeat(134)}==`
const KEPT = `transit:team/transit/keys/my.key-1:${CIPHERTEXT}`

test('recipients, and one transit key at most among them, in any order', () => {
  expect(parseResultKey(AGE)).toEqual({ recipients: [AGE], kept: null })
  const key = { recipients: [AGE, AGE], kept: { mount: 'team/transit', name: 'my.key-1', ciphertext: CIPHERTEXT } }
  expect(parseResultKey(`${KEPT}, ${AGE},${AGE}`)).toEqual(key)
  expect(resultKeyText(key)).toBe(`${AGE},${AGE},${KEPT}`)
  expect(parseResultKey(resultKeyText(key))).toEqual(key)
})

test.each([
  '',
  'AGE-SECRET-KEY-1QQQ',
  `${AGE},`,
  Array(9).fill(AGE).join(','),
  KEPT,
  `${AGE},${KEPT},${KEPT}`,
  `${AGE},transit:me:${CIPHERTEXT}`,
  `${AGE},transit:transit/keys/..:${CIPHERTEXT}`,
  `${AGE},transit:../sys/keys/me:${CIPHERTEXT}`,
  `${AGE},transit:auth/token/create?/keys/me:${CIPHERTEXT}`,
  `${AGE},transit:transit/keys/a/b:${CIPHERTEXT}`,
  `${AGE},transit:transit/keys/a%2f..:${CIPHERTEXT}`,
  `${AGE},transit:transit//keys/me:${CIPHERTEXT}`,
  `${AGE},transit:transit/keys/me:plain text`,
  `${AGE},transit:transit/keys/me:vault:v1:${'A'.repeat(500)}`,
])('%j is refused', text => {
  expect(() => parseResultKey(text)).toThrow(expect.objectContaining({ code: 'result_key_invalid' }))
})

test('a transit key by its name, or with its mount', () => {
  expect(parseTransitKey('me')).toEqual({ mount: 'transit', name: 'me' })
  expect(parseTransitKey('team/transit/keys/me')).toEqual({ mount: 'team/transit', name: 'me' })
  for (const wrong of [
    '',
    '..',
    'a/b',
    'transit/keys/',
    '/keys/me',
    'transit/keys/a:b',
    'me:vault:v1:AAAAAAAAAAAAAAAA:x',
  ]) {
    expect(() => parseTransitKey(wrong), wrong).toThrow(expect.objectContaining({ code: 'result_key_invalid' }))
  }
})
