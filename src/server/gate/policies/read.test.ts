import { expect, test } from 'vitest'
import { policiesInvalid, readPolicies, where } from './read.ts'

const read = (document: unknown) => readPolicies(document, { renewable: true })

test('all keys of version 1, and what they are without being set', () => {
  const app = {
    policies: ['app'],
    meta: { foo: 'bar' },
    ttl: 3000,
    num_uses: 5,
    multi_fetch: true,
    multi_fetch_limit: 2,
    renewable: false,
    unknown: 'ignored',
  }
  const { set } = read({ app, bare: {} })
  expect(set?.entries.get('app')).toEqual({
    kind: 'token',
    policies: ['app'],
    meta: { foo: 'bar' },
    ttl: 3000,
    numUses: 5,
    renewable: false,
    fetches: 2,
    multiFetch: true,
  })
  expect(set?.entries.get('bare')).toMatchObject({
    policies: ['default'],
    meta: {},
    ttl: 0,
    numUses: 0,
    renewable: true,
    fetches: 1,
  })
  expect(readPolicies({ bare: {} }, { renewable: false }).set?.entries.get('bare')).toMatchObject({ renewable: false })
})

test('keys in any case, as Go reads them; null is as nothing', () => {
  const { set } = read({
    a: { Policies: ['app'], TTL: 60, Meta: { Foo: 'Bar' }, MULTI_FETCH: true, Multi_Fetch_Limit: 2 },
  })
  expect(set?.entries.get('a')).toMatchObject({ policies: ['app'], ttl: 60, meta: { Foo: 'Bar' }, fetches: 2 })
  const nothing = { policies: null, meta: null, ttl: null, num_uses: null, multi_fetch: null, renewable: null }
  expect(read({ a: nothing }).set?.entries.get('a')).toEqual(read({ a: {} }).set?.entries.get('a'))
  expect(read({ 'mesos:*': { Roles: ['r'], Num_Uses: 2 } }).set?.entries.get('mesos:*')).toMatchObject({ fetches: 2 })
  // the one that comes later counts
  expect(read({ a: { Ttl: 1, ttl: 2 } }).set?.entries.get('a')).toMatchObject({ ttl: 2 })
  expect(read({ a: { ttl: 2, Ttl: 1 } }).set?.entries.get('a')).toMatchObject({ ttl: 1 })
})

test('a pattern of version 1 may end with a colon, and be empty', () => {
  const { set } = read({ 'ct:': { policies: ['a'] }, '': { policies: ['b'] } })
  expect([...(set?.entries.keys() ?? [])]).toEqual(['ct:', ''])
})

test('all keys of version 2', () => {
  const { set } = read({ 'mesos:*': { roles: ['a', '{{name}}'], num_uses: 3, regexp: 'x+' }, '*': { roles: ['b'] } })
  expect(set?.entries.get('mesos:*')).toEqual({
    kind: 'role',
    roles: ['a', '{{name}}'],
    fetches: 3,
    regexp: 'x+',
  })
  expect(set?.entries.get('*')).toMatchObject({ fetches: 1, regexp: null })
})

test.each<[string, unknown, string]>([
  ['text instead of an object, as the vault command makes it', '{"a":{}}', 'not an object of patterns'],
  ['nothing', {}, 'there is no policy'],
  ['a list', [], 'not an object'],
  ['an entry that is null', { a: null }, '"a" is not an object'],
  ['a ttl with a fraction', { a: { ttl: 1.5 } }, '"a"."ttl" is not a whole number'],
  ['a ttl in words', { a: { ttl: '1h' } }, '"a"."ttl"'],
  ['a negative ttl', { a: { ttl: -1 } }, '"a"."ttl"'],
  ['a ttl of many centuries', { a: { ttl: 1e15 } }, '"a"."ttl"'],
  ['policies that are text', { a: { policies: 'root' } }, '"a"."policies" is not a list'],
  ['a policy that is a number', { a: { policies: ['x', 1] } }, '"a"."policies".1 is not a name'],
  ['the root policy', { a: { policies: ['root'] } }, 'holds "root"'],
  ['meta that is no text', { a: { meta: { b: 1 } } }, '"a"."meta"."b" is not a text'],
  ['multi_fetch without a limit', { a: { multi_fetch: true } }, 'needs a multi_fetch_limit'],
  ['renewable in words', { a: { renewable: 'yes' } }, '"a"."renewable"'],
  ['num_uses below one, in version 2', { a: { roles: ['r'], num_uses: 0 } }, '"a"."num_uses"'],
  ['roles that are text', { a: { roles: 'r' } }, '"a"."roles" is not a list'],
  ['a role that is a path', { a: { roles: ['../x'] } }, '"a"."roles".0 is not the name'],
  ['half of {{name}}', { a: { roles: ['x-{{name}}'] } }, '"a"."roles".0'],
  ['an expression that is none', { a: { roles: ['r'], regexp: '(' } }, '"a"."regexp"'],
  ['a key that ends with a colon', { 'mesos:': { roles: ['r'] } }, 'ends with ":"'],
  ['both ways in one policy', { a: { roles: ['r'], policies: ['p'] } }, '"a"."policies" has no meaning'],
  ['both ways in one set', { a: { roles: ['r'] }, b: { policies: ['p'] } }, 'a gate issues in one way'],
  ['the other way by its ttl', { a: { roles: ['r'] }, b: { ttl: 60 } }, 'a gate issues in one way'],
  ['neither roles nor how often', { a: { roles: ['r'] }, b: {} }, '"b" has neither "roles" nor "num_uses"'],
  ['no roles at all', { a: { roles: [], num_uses: 1 } }, 'no policy in it names a role'],
])('%s', (_, document, text) => {
  const { set, problems } = read(document)
  expect(set).toBeNull()
  expect(problems.map(problem => where(problem) + problem.text).join('\n')).toContain(text)
  expect(policiesInvalid(problems)).toMatchObject({ code: 'policies_invalid' })
})

test('all problems at once', () => {
  const { problems } = read({ a: { ttl: 'x', policies: 1 }, b: null })
  expect(problems).toHaveLength(3)
  expect(policiesInvalid(problems).message).toContain('and 2 more')
})

test('__proto__ is a pattern like any other', () => {
  const { set } = read(JSON.parse('{"__proto__": {"policies": ["p"]}}'))
  expect(set?.entries.get('__proto__')).toMatchObject({ policies: ['p'] })
})
