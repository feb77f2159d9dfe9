import { expect, it } from 'vitest'
import { globFits } from './glob.ts'

it.each([
  ['a.example.org', 'a.example.org'],
  ['*', ''],
  ['*.example.org', 'a.b.example.org'],
  ['a*', 'a'],
  ['a*b*c', 'a-b-b-c'],
  ['**', 'x'],
])('%s fits %j', (pattern, text) => expect(globFits(pattern, text)).toBe(true))

it.each([
  ['a', 'A'],
  ['', 'a'],
  ['a', 'ab'],
  ['*.example.org', 'example.org'],
  ['*.example.org', 'a.example.org.evil'],
  ['aXb', 'a.b'],
  ['a.b', 'aXb'],
  ['ab*ba', 'aba'],
  ['a*bc*c', 'abc'],
])('%s does not fit %j', (pattern, text) => expect(globFits(pattern, text)).toBe(false))

it('does not take long over many stars', () => {
  expect(globFits(`${'a*'.repeat(1000)}b`, 'a'.repeat(20_000))).toBe(false)
})
