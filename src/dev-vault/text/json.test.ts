import { describe, expect, it } from 'vitest'
import { isObject, JsonError, parseJson, plainNumber } from './json.ts'

describe('parseJson', () => {
  it.each(['9007199254740993', '123456789012345678901234567890', '1.0', '1e3', '-0', '1.50'])(
    'keeps %s as it is',
    text => {
      expect(JSON.stringify(parseJson(`{"n":${text}}`))).toBe(`{"n":${text}}`)
    },
  )

  it('reads a kept number as a number where one is wanted', () => {
    expect(plainNumber(parseJson('1.0'))).toBe(1)
    expect(plainNumber('1.0')).toBe('1.0')
  })

  it('does not take a kept number for an object', () => {
    expect(isObject(parseJson('1.0'))).toBe(false)
  })

  it.each(['[', '{"e":', ''])('refuses %j nested or cut off, however deep', open => {
    expect(() => parseJson(open.repeat(100_000))).toThrow(JsonError)
  })

  it('refuses well-formed JSON that is nested too deep, also beside an exact number', () => {
    expect(() => parseJson(`${'['.repeat(400)}${']'.repeat(400)}`)).toThrow(/depth/)
    expect(() => parseJson(`${'['.repeat(50_000)}1.0${']'.repeat(50_000)}`)).toThrow(JsonError)
  })

  it('keeps __proto__ a plain key', () => {
    const value = parseJson('{"__proto__":{"admin":true}}') as Record<string, unknown>
    expect(value.admin).toBeUndefined()
    expect(JSON.stringify(value)).toBe('{"__proto__":{"admin":true}}')
  })
})
