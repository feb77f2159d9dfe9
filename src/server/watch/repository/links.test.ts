import { expect, test } from 'vitest'
import { checkLinks } from './links.ts'

const links = (all: Record<string, string>) => () => checkLinks(new Map(Object.entries(all)))
const unsafe = expect.objectContaining({ code: 'tree_unsafe' })

test.each<[string, Record<string, string>]>([
  ['to nothing', { a: '' }],
  ['with a NUL, behind which there is more for some', { a: 'b\0/../..' }],
  ['absolute', { a: '/etc' }],
  ['absolute, by another one', { a: 'b/c', b: '/' }],
  ['out of its folder', { 'b/a': '../..' }],
  ['out, by another one', { 'a/up': '..', 'a/x': 'up/..' }],
  ['in a circle', { a: 'b', b: 'a' }],
])('a link %s is refused', (_, all) => expect(links(all)).toThrow(unsafe))

test('as many links in a row as Linux follows, and not one more', () => {
  const chain = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`l${at}`, `l${at + 1}`]))
  expect(links(chain(41))).not.toThrow()
  expect(links(chain(42))).toThrow(unsafe)
})

test.each<[string, Record<string, string>]>([
  ['to a neighbour', { 'b/a': './c' }],
  ['up and down again', { 'b/a': '../b/../c' }],
  ['which only seems to lead out', { 'a/b': '../c/d/e', 'a/x': 'b/../../..' }],
])('a link %s is fine', (_, all) => expect(links(all)).not.toThrow())
