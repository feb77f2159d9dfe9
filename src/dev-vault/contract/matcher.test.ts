import { describe, expect, it } from 'vitest'
import { ABSENT, match, matchBody } from './matcher.ts'

const fits = (value: unknown, expected: unknown) => match(value, expected).length === 0

describe('literals', () => {
  it.each([
    [
      { a: 1, b: [true, null] },
      { b: [true, null], a: 1 },
    ],
    ['x', 'x'],
    [null, null],
  ])('%j is %j', (value, expected) => expect(fits(value, expected)).toBe(true))

  it.each([
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [{ a: null }, {}],
    [{}, { a: null }],
    [1, '1'],
    [1, true],
    [0, null],
    [
      [1, 2],
      [2, 1],
    ],
    [[1], [1, 2]],
    [[1, 2], [1]],
    [[], {}],
    [{}, []],
    [null, {}],
  ])('%j is not %j', (value, expected) => expect(fits(value, expected)).toBe(false))
})

describe('matchers', () => {
  it.each([
    ['anything', { $any: true }, 0, ABSENT],
    ['absent', { $absent: true }, ABSENT, null],
    ['optional', { $optional: 1 }, ABSENT, 2],
    ['optional and there', { $optional: 1 }, 1, null],
    ['string', { $type: 'string' }, '', 1],
    ['int', { $type: 'int' }, 3, 3.5],
    ['number', { $type: 'number' }, 3.5, '3'],
    ['bool', { $type: 'bool' }, false, 0],
    ['null', { $type: 'null' }, null, ABSENT],
    ['array', { $type: 'array' }, [], {}],
    ['object', { $type: 'object' }, {}, []],
    ['uuid', { $type: 'uuid' }, '123e4567-e89b-12d3-a456-426614174000', '123e4567'],
    ['rfc3339', { $type: 'rfc3339' }, '2026-01-02T03:04:05.678+01:00', '2026-01-02'],
    ['token', { $type: 'token' }, 's.123456', 's. 23456'],
    ['accessor', { $type: 'accessor' }, '12345678', '1234567'],
    ['base64', { $type: 'base64' }, 'YQ==', 'YQ='],
    ['hex', { $type: 'hex' }, 'ff', 'fg'],
    ['unknown type', { $not: { $type: 'colour' } }, 'red', ABSENT, 'both'],
    ['min', { $type: 'int', $min: 2 }, 2, 1],
    ['max', { $type: 'int', $max: 2 }, 2, 3],
    ['prefix', { $prefix: 'a|b' }, 'bx', 'cx'],
    ['prefix of no text', { $prefix: '1' }, '1', 1],
    ['suffix', { $suffix: 'z' }, 'az', 'za'],
    ['contains', { $contains: 'b' }, 'abc', 'ac'],
    ['contains all', { $contains: ['a', 'b'] }, 'ba', 'a'],
    ['regex', { $regex: '^a.c$' }, 'abc', 'abcd'],
    ['len', { $len: 2 }, [1, 2], 'a'],
    ['min_len', { $min_len: 2 }, 'ab', [1]],
    ['bytes', { $type: 'base64', $bytes: 1 }, 'YQ==', 'YWE='],
    ['items', { $type: 'array', $items: { $type: 'int' } }, [1, 2], [1, 'a']],
    ['subset', { $subset: { a: 1 } }, { a: 1, b: 2 }, { b: 2 }],
    ['set', { $set: [1, 2] }, [2, 1], [1, 2, 3]],
    ['set counts', { $set: [1, 1] }, [1, 1], [1, 2]],
    ['includes', { $includes: [1] }, [2, 1], [2]],
    ['excludes', { $excludes: [1] }, [2], [2, 1]],
    ['one_of', { $one_of: [null, { $type: 'array' }] }, [], {}],
    ['not', { $not: 'a' }, 'b', 'a'],
    ['recorded', { $contains: 'a', $recorded: 'xyz' }, 'a', 'xyz'],
    ['unknown matcher', { $one_of: [{ $odd: 1 }, 'a'] }, 'a', 1],
  ])('%s', (_, expected, good, bad, both?: string) => {
    expect(fits(good, expected)).toBe(true)
    expect(fits(bad, expected)).toBe(both !== undefined)
  })

  it('says where', () => {
    expect(match({ a: { b: [1, 2] } }, { a: { b: [1, 3] } })).toEqual([{ at: '/a/b/1', reason: '2 is not 3' }])
  })
})

describe('bodies', () => {
  it('tells no body from any body', () => {
    expect(matchBody(ABSENT, { $empty: true })).toEqual([])
    expect(matchBody({}, { $empty: true })).toHaveLength(1)
    expect(matchBody(ABSENT, { $any: true })).toEqual([])
    expect(matchBody(ABSENT, { a: 1 })).toHaveLength(1)
  })

  it('tolerates mount_type at the top and nowhere else', () => {
    expect(matchBody({ a: 1, mount_type: 'kv' }, { a: 1 })).toEqual([])
    expect(matchBody({ a: { mount_type: 'kv' } }, { a: {} })).toHaveLength(1)
    expect(matchBody({ mount_type: 'kv' }, { mount_type: 'pki' })).toHaveLength(1)
  })
})
