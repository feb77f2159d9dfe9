import { expect, it } from 'vitest'
import { lenient } from './lenient.ts'
import { match } from './matcher.ts'

const fits = (value: unknown, expected: unknown) => match(value, lenient(expected)).length === 0

it.each([
  [{ a: 1, more: 2 }, { a: 1 }],
  [{ a: { b: 1, more: 2 } }, { a: { b: 1 } }],
  [{ a: [{ b: 1, more: 2 }] }, { a: [{ b: 1 }] }],
  [{ a: { b: { c: 1, more: 2 } } }, { a: { $subset: { b: { c: 1 } } } }],
  [{ a: { b: 1, more: 2 } }, { a: { $one_of: [null, { b: 1 }] } }],
  [{ a: [{ b: 'x', more: 1 }] }, { a: { $type: 'array', $items: { b: { $type: 'string' } } } }],
])('%j has all of %j', (value, expected) => expect(fits(value, expected)).toBe(true))

it.each([
  [{ more: 1 }, { a: 1 }],
  [{ a: 2, more: 1 }, { a: 1 }],
  [{ a: [1, 2] }, { a: [1] }],
  [{ a: 1 }, { a: { $absent: true } }],
  [{ a: { b: 'x' } }, { a: { $subset: { b: { $type: 'int' } } } }],
])('%j has not all of %j', (value, expected) => expect(fits(value, expected)).toBe(false))
