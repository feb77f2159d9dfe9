import { describe, expect, it } from 'vitest'
import { decideTtl, type TtlQuestion } from './ttl.ts'

const question: TtlQuestion = {
  ttl: 0,
  period: 0,
  maxTtl: 0,
  explicitMaxTtl: 0,
  mountDefault: 100,
  mountMax: 1000,
  age: 0,
}
const ttl = (change: Partial<TtlQuestion>) => decideTtl({ ...question, ...change })

describe('decideTtl', () => {
  it('takes the increment, else the ttl, else the default', () => {
    expect(ttl({}).ttl).toBe(100)
    expect(ttl({ ttl: 50 }).ttl).toBe(50)
    expect(ttl({ ttl: 50, increment: 70 }).ttl).toBe(70)
  })

  it('cuts at the smallest maximum that is left, with a warning', () => {
    expect(ttl({ ttl: 5000 })).toEqual({
      ttl: 1000,
      warnings: [expect.stringContaining('exceeded the effective max_ttl')],
    })
    expect(ttl({ ttl: 500, maxTtl: 300, age: 100 }).ttl).toBe(200)
    expect(ttl({ ttl: 500, maxTtl: 300, explicitMaxTtl: 200 }).ttl).toBe(200)
    expect(ttl({ ttl: 200, maxTtl: 300 }).warnings).toEqual([])
  })

  it('lets a period outlive every maximum but the explicit one', () => {
    expect(ttl({ period: 60, increment: 500, maxTtl: 300, age: 10_000 })).toEqual({ ttl: 60, warnings: [] })
    expect(ttl({ period: 60, explicitMaxTtl: 100, age: 70 }).ttl).toBe(30)
    expect(ttl({ period: 5000 })).toEqual({ ttl: 1000, warnings: [expect.stringContaining('period of "1h23m20s"')] })
  })

  it('refuses what is past its maximum', () => {
    expect(() => ttl({ maxTtl: 10, age: 11 })).toThrow(RangeError)
  })
})
