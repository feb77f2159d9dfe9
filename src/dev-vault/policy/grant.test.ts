import { describe, expect, it } from 'vitest'
import { addRule, type Grant, parametersAllowed, wrappingAllowed } from './grant.ts'
import { parsePolicy } from './rule.ts'

const grant = (...bodies: string[]) =>
  bodies
    .flatMap(body => parsePolicy(`path "x" { capabilities = ["update"] ${body} }`))
    .reduce<Grant | undefined>(addRule, undefined) as Grant

describe('wrapping', () => {
  it.each([
    ['', 0, true],
    ['min_wrapping_ttl = 10', 0, false],
    ['min_wrapping_ttl = 10', 10, true],
    ['max_wrapping_ttl = 10', 0, false],
    ['max_wrapping_ttl = 10', 11, false],
    ['min_wrapping_ttl = 5 max_wrapping_ttl = 10', 7, true],
  ])('%s allows %d: %s', (bounds, ttl, allowed) => expect(wrappingAllowed(grant(bounds), ttl)).toBe(allowed))

  it('keeps the smaller of two bounds, and nothing when they then exclude each other', () => {
    const both = grant('max_wrapping_ttl = 60', 'max_wrapping_ttl = 30')
    expect([wrappingAllowed(both, 30), wrappingAllowed(both, 31)]).toEqual([true, false])
    const none = grant('max_wrapping_ttl = 10', 'min_wrapping_ttl = 20')
    expect([5, 10, 15, 20].map(ttl => wrappingAllowed(none, ttl))).toEqual([false, false, false, false])
  })
})

describe('parameters', () => {
  it.each([
    ['allowed_parameters = { "a" = ["x*"] }', { a: 'xy' }, true],
    ['allowed_parameters = { "a" = ["*y"] }', { a: 'xy' }, true],
    ['allowed_parameters = { "a" = ["*x*"] }', { a: 'axb' }, true],
    ['allowed_parameters = { "a" = ["x"] }', { a: ['x'] }, false],
    ['allowed_parameters = { "a" = [1] }', { a: 1 }, true],
    ['allowed_parameters = { "a" = [1] }', { a: '1' }, false],
    ['denied_parameters = { "A" = [] }', { a: 1 }, false],
    ['required_parameters = ["a"]', {}, false],
    ['required_parameters = ["A"]', { a: 1 }, true],
    ['allowed_parameters = { "a" = [] }', {}, true],
    ['allowed_parameters = { "a" = [] }', { constructor: 1 }, false],
  ])('%s and %j: %s', (rule, data, allowed) => expect(parametersAllowed(grant(rule), data)).toBe(allowed))

  it('of two rules: what either allows, and any value once one allows any', () => {
    const both = grant('allowed_parameters = { "a" = ["x"] }', 'allowed_parameters = { "a" = ["y"] "b" = ["z"] }')
    expect([{ a: 'x' }, { a: 'y' }, { b: 'z' }, { b: 'x' }].map(data => parametersAllowed(both, data))).toEqual([
      ...[true, true, true],
      false,
    ])
    const any = grant('allowed_parameters = { "a" = ["x"] }', 'allowed_parameters = { "a" = [] }')
    expect(parametersAllowed(any, { a: 'anything' })).toBe(true)
  })
})
