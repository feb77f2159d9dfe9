import { describe, expect, it } from 'vitest'
import { checkTimes, USUAL_LEEWAYS } from './jwt-times.ts'

const NOW = 1_000_000
const good = (claims: object, leeways = {}) => {
  try {
    checkTimes({ ...claims }, { ...USUAL_LEEWAYS, ...leeways }, NOW)
    return true
  } catch {
    return false
  }
}

describe('the usual leeways, as OpenBao 2.5 was seen to take them', () => {
  it.each<[string, object, boolean]>([
    ['an end that is a minute over', { iat: NOW - 500, exp: NOW - 60 }, true],
    ['an end that is longer over', { iat: NOW - 500, exp: NOW - 61 }, false],
    ['a beginning within a minute', { nbf: NOW + 60, exp: NOW + 300 }, true],
    ['a beginning later than that', { nbf: NOW + 61, exp: NOW + 300 }, false],
    ['issued in the future', { nbf: NOW, iat: NOW + 61, exp: NOW + 300 }, false],
    ['no end: 150 seconds, and the minute', { iat: NOW - 210 }, true],
    ['no end, and older', { iat: NOW - 211 }, false],
    ['no end, by its beginning', { nbf: NOW - 211 }, false],
    ['nothing but an end that is near', { exp: NOW + 210 }, true],
    ['nothing but an end that is far: it has not begun', { exp: NOW + 211 }, false],
    ['no time', {}, false],
    ['times that are no numbers', { exp: String(NOW + 100) }, false],
  ])('%s', (_, claims, expected) => expect(good(claims)).toBe(expected))
})

describe('leeways of a role', () => {
  it.each<[string, object, object, boolean]>([
    ['no skew', { exp: NOW - 1, iat: NOW - 9 }, { clockSkew: -1 }, false],
    ['more skew', { exp: NOW - 300, iat: NOW - 900 }, { clockSkew: 300 }, true],
    ['a longer term', { iat: NOW - 500 }, { expiration: 500 }, true],
    ['no term', { iat: NOW - 1 }, { expiration: -1, clockSkew: -1 }, false],
    ['an earlier beginning', { exp: NOW + 500 }, { notBefore: 500 }, true],
  ])('%s', (_, claims, leeways, expected) => expect(good(claims, leeways)).toBe(expected))
})
