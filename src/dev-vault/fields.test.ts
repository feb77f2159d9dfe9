import { describe, expect, it } from 'vitest'
import { VaultError } from './errors.ts'
import { Fields, parseFlag } from './fields.ts'
import { parseJson } from './text/json.ts'

const fields = new Fields(
  parseJson(
    '{"text":"a","number":12,"exact":12.0,"digits":"34","yes":"true","one":1,"list":[" a ",2,""],"words":"a, b,,c","null":null,"map":{"k":1},"ttl":"1m"}',
  ) as Record<string, unknown>,
)

describe('Fields', () => {
  it('converts as Vault does', () => {
    expect(fields.text('number')).toBe('12')
    expect([fields.integer('number'), fields.integer('exact'), fields.integer('digits')]).toEqual([12, 12, 34])
    expect([fields.flag('yes'), fields.flag('one'), fields.flag('none', true)]).toEqual([true, true, true])
    expect(fields.list('list')).toEqual(['a', '2'])
    expect(fields.list('words')).toEqual(['a', 'b', 'c'])
    expect(fields.statements('words')).toEqual(['a, b,,c'])
    expect([fields.seconds('ttl'), fields.seconds('number'), fields.seconds('none', 7)]).toEqual([60, 12, 7])
    expect(fields.map('map')).toEqual({ k: 1 })
  })

  it('takes null and what is inherited for absent', () => {
    expect([fields.has('null'), fields.has('constructor'), fields.raw('toString')]).toEqual([false, false, undefined])
    expect(fields.text('null', 'x')).toBe('x')
    expect(fields.given('none', 'null', 'digits', 'text')).toBe('digits')
  })

  it.each([
    ['integer', () => fields.integer('text')],
    ['flag', () => fields.flag('text')],
    ['seconds', () => fields.seconds('text')],
    ['map', () => fields.map('text')],
    ['text', () => fields.text('map')],
  ])('refuses what is no %s', (_, read) => expect(read).toThrow(VaultError))

  it('does not repeat what could be a secret', () => {
    const secret = new Fields({ ttl: 'a-password-of-some-length-s' })
    expect(() => secret.seconds('ttl')).toThrow(/a string/)
    expect(() => secret.seconds('ttl')).not.toThrow(/a-password/)
  })
})

it('reads flags as Go does', () => {
  expect(['1', 't', 'TRUE', '0', 'F', 'false', 'yes', '', 2].map(parseFlag)).toEqual([
    ...[true, true, true, false, false, false],
    ...[undefined, undefined, true],
  ])
})
