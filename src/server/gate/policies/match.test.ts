import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cpuTime } from '../../../../test/cpu-time.ts'
import type { Task } from '../schedulers/scheduler.ts'
import { globMatches } from './glob.ts'
import { chooseRole, match, type Names, namesOf } from './match.ts'
import type { PolicySet } from './policy.ts'
import { readPolicies } from './read.ts'

const setOf = (document: object): PolicySet => {
  const { set, problems } = readPolicies(document, { renewable: true })
  return set ?? expect.fail(JSON.stringify(problems))
}
const named = (name: string, group?: string): Names => ({ scheduler: 'mesos', name, group })

describe('globs (gatekeeper.md §7.3)', () => {
  test.each([
    ['*', '', true],
    ['*', 'a/b:c', true],
    ['app*', 'app', true],
    ['app*', 'application', true],
    ['app*', 'my-app', false],
    ['*app', 'my-app', true],
    ['a*c', 'abc', true],
    ['a*c', 'ac', true],
    ['a*c', 'a', false],
    ['ab*b', 'ab', false],
    ['a*bc*c', 'abc', false],
    ['a*bc*c', 'abcc', true],
    ['App', 'app', false],
    ['', '', true],
    ['', 'a', false],
    ['a.c', 'abc', false],
    ['a**b', 'ab', true],
  ])('%j on %j: %s', (pattern, name, expected) => {
    expect(globMatches(pattern, name)).toBe(expected)
  })

  test('as the same pattern with expressions', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
    const names = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 })
    fc.assert(
      fc.property(letters, names, (pattern, name) => {
        expect(globMatches(pattern, name)).toBe(new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name))
      }),
      { numRuns: 2_000 },
    )
  })

  test('a long hostile name takes no time', () => {
    const spent = cpuTime(() => expect(globMatches(`${'a*'.repeat(200)}b`, 'a'.repeat(500))).toBe(false))
    expect(spent).toBeLessThan(200)
  })
})

describe('policies of version 1', () => {
  const set = setOf({
    '*': { policies: ['any'] },
    'app*': { policies: ['wide'] },
    'app-web*': { policies: ['narrow'] },
    'app-web-1': { policies: ['exact'], multi_fetch: true, multi_fetch_limit: 3 },
  })
  test.each([
    ['app-web-1', 'app-web-1', 'exact', 3],
    ['app-web-2', 'app-web*', 'narrow', 1],
    ['app', 'app*', 'wide', 1],
    ['other', '*', 'any', 1],
  ])('%s gets %s, alone', (name, pattern, policy, fetches) => {
    expect(match(set, named(name))).toMatchObject({ pattern, policy: { policies: [policy], fetches } })
  })

  test('with names of images, these are what counts', () => {
    const task: Task = { id: 't', name: 'app', image: 'app-web-1', startedAt: new Date(), state: 'running', meta: {} }
    expect(match(set, namesOf('mesos', task, true))).toMatchObject({ pattern: 'app-web-1' })
    expect(match(set, namesOf('mesos', task, false))).toMatchObject({ pattern: 'app*' })
  })

  test('the longest is that of the most bytes; of two as long it is always the same', () => {
    const one = setOf({ 'é****': { policies: ['letters'] }, 'ééé*': { policies: ['bytes'] } })
    expect(match(one, named('ééé'))).toMatchObject({ pattern: 'ééé*' })
    for (const order of [
      ['*a', 'a*'],
      ['a*', '*a'],
    ]) {
      const two = setOf(Object.fromEntries(order.map(pattern => [pattern, { policies: ['x'] }])))
      expect(match(two, named('aa'))).toMatchObject({ pattern: '*a' })
    }
  })

  test('where nothing is for it: the default policy for six hours', () => {
    const grant = match(setOf({ a: { policies: ['a'] } }), named('b'))
    expect(grant).toMatchObject({ pattern: '', policy: { policies: ['default'], ttl: 21_600, fetches: 1 } })
  })
})

describe('policies of version 2 (gatekeeper.md §14.2)', () => {
  const set = setOf({
    '*': { roles: ['w'], num_uses: 5 },
    'mesos:*': { roles: ['m'], num_uses: 4 },
    'mesos:marathon:*': { roles: ['mm'], num_uses: 3 },
    'mesos:marathon:api': { roles: ['api'], num_uses: 2 },
  })
  test.each([
    [named('api', 'marathon'), ['api', 'mm', 'm', 'w'], 2],
    [named('web', 'marathon'), ['mm', 'm', 'w'], 3],
    [named('x'), ['m', 'w'], 4],
    [{ scheduler: 'ecs', name: 'y' }, ['w'], 5],
  ])('%o', (names, roles, fetches) => {
    expect(match(set, names)).toMatchObject({ kind: 'role', roles, fetches })
  })

  test('no policy for it is a refusal', () => {
    const narrow = setOf({ 'mesos:a': { roles: ['a'] } })
    expect(() => match(narrow, named('b'))).toThrowError(expect.objectContaining({ code: 'policy_none' }))
    expect(() => match(narrow, named('ab'))).toThrowError(expect.objectContaining({ code: 'policy_none' }))
  })

  test('a prefix is text: no character but the last star is special', () => {
    const odd = setOf({ 'mesos:a.c*': { roles: ['r'] }, 'mesos:(x*': { roles: ['s'] } })
    expect(() => match(odd, named('abc1'))).toThrow()
    expect(match(odd, named('a.c1'))).toMatchObject({ roles: ['r'] })
    expect(match(odd, named('(x'))).toMatchObject({ roles: ['s'] })
  })

  test('foo and foo* are two policies', () => {
    const both = setOf({ 'mesos:foo': { roles: ['one'], num_uses: 1 }, 'mesos:foo*': { roles: ['many'], num_uses: 9 } })
    expect(match(both, named('foo'))).toMatchObject({ roles: ['many', 'one'] })
    expect(match(both, named('foo2'))).toMatchObject({ roles: ['many'] })
  })

  test('an expression must match all of the rest', () => {
    const job = setOf({ 'mesos:metronome:*': { roles: ['r'], regexp: '[0-9]{14}[A-Za-z]+\\.task' } })
    expect(match(job, named('20190826135622VHRSz.task', 'metronome'))).toMatchObject({ roles: ['r'] })
    for (const name of ['20190826135622VHRSz.task-evil', 'x20190826135622VHRSz.task', '']) {
      expect(() => match(job, named(name, 'metronome'))).toThrow()
    }
  })

  test('an expression that never ends does not match, soon', () => {
    const slow = setOf({ 'mesos:*': { roles: ['r'], regexp: '(a+)+$' } })
    const spent = cpuTime(() => expect(() => match(slow, named(`${'a'.repeat(60)}!`))).toThrow())
    expect(spent).toBeLessThan(2_000)
  })

  test('by image; a task without one by its name, and never by its group', () => {
    const images = setOf({ 'mesos:acme/web:1.2': { roles: ['web'] }, 'mesos:plain': { roles: ['plain'] } })
    expect(match(images, { ...named('x', 'marathon'), image: 'acme/web:1.2' })).toMatchObject({ roles: ['web'] })
    const task: Task = {
      id: 't',
      name: 'plain',
      group: 'marathon',
      startedAt: new Date(),
      state: 'running',
      meta: {},
    }
    expect(match(images, namesOf('mesos', task, true))).toMatchObject({ roles: ['plain'] })
    expect(match(images, namesOf('mesos', { ...task, image: 'acme/web:1.2' }, true))).toMatchObject({ roles: ['web'] })
    for (const other of [task, { ...task, image: 'acme/web:1.2' }]) {
      expect(() => match(images, namesOf('mesos', other, false))).toThrowError(
        expect.objectContaining({ code: 'policy_none' }),
      )
    }
  })

  test('a pattern without a star and with an expression is the beginning of names too', () => {
    const open = setOf({ 'mesos:job-': { roles: ['r'], regexp: '[0-9]+' }, 'mesos:job': { roles: ['s'] } })
    expect(match(open, named('job-12'))).toMatchObject({ roles: ['r'] })
    expect(match(open, named('job'))).toMatchObject({ roles: ['s'] })
    expect(() => match(open, named('job-x'))).toThrow()
  })

  test('only the last star of a pattern is one', () => {
    const stars = setOf({ 'mesos:a*b*': { roles: ['r'] }, 'mesos:c**': { roles: ['s'] }, 'mesos:*d': { roles: ['t'] } })
    expect(match(stars, named('a*bc'))).toMatchObject({ roles: ['r'] })
    expect(match(stars, named('c*'))).toMatchObject({ roles: ['s'] })
    expect(match(stars, named('*d'))).toMatchObject({ roles: ['t'] })
    for (const name of ['axbc', 'cd', 'xd', '*dx']) expect(() => match(stars, named(name))).toThrow()
  })

  test('a pattern without roles of its own has those of the wider ones, and its own number of uses', () => {
    for (const api of [{ num_uses: 5 }, { roles: [], num_uses: 5 }]) {
      const inherits = setOf({ 'mesos:*': { roles: ['m'], num_uses: 1 }, 'mesos:api': api })
      expect(match(inherits, named('api'))).toMatchObject({ pattern: 'mesos:api', roles: ['m'], fetches: 5 })
    }
    const alone = setOf({ 'mesos:a': { num_uses: 5 }, 'mesos:b': { roles: ['b'] } })
    expect(() => match(alone, named('a'))).toThrowError(expect.objectContaining({ code: 'policy_none' }))
  })

  const sample = setOf({
    '*': { roles: ['wildcard'] },
    'mesos:task': { roles: ['exact'] },
    'mesos:nested:*': { roles: ['outer'] },
    'mesos:nested:inner:*': { roles: ['inner'] },
    'mesos:timed:*': { roles: ['timed'], regexp: '[0-9]{14}[A-Za-z]+\\.job' },
  })
  test.each([
    [named('anything'), ['wildcard']],
    [named('task'), ['exact', 'wildcard']],
    [named('task2'), ['wildcard']],
    [named('x', 'nested'), ['outer', 'wildcard']],
    [named('inner:x', 'nested'), ['inner', 'outer', 'wildcard']],
    [named('20190826135622VHRSz.job', 'timed'), ['timed', 'wildcard']],
    [named('other.job', 'timed'), ['wildcard']],
  ])("as vault-gatekeeper's own test asks them (§18.2): %o", (names, roles) => {
    expect(match(sample, names)).toMatchObject({ kind: 'role', roles })
  })
})

describe('the role', () => {
  test.each([
    [['a', 'b'], '', 'a'],
    [['a', 'b'], 'b', 'b'],
    [['{{name}}'], '', 'task'],
    [['a', '{{name}}'], '{{name}}', 'task'],
  ])('of %j, %j asked for: %s', (roles, asked, expected) => {
    expect(chooseRole(roles, asked, 'task', null)).toBe(expected)
  })

  test.each([
    [['a'], 'b', 'task'],
    [['a'], '{{name}}', 'task'],
    [['{{name}}'], 'task', 'task'],
    [['{{name}}'], '', '../../sys/seal'],
    [['{{name}}'], '', 'a/b'],
    [['{{name}}'], '', '..'],
    [['{{name}}'], '', ''],
    [['{{name}}'], '', 'Own'],
  ])('of %j, %j asked for by a task called %j: refused', (roles, asked, name) => {
    expect(() => chooseRole(roles, asked, name, 'own')).toThrowError(
      expect.objectContaining({ code: 'role_not_allowed' }),
    )
  })
})
