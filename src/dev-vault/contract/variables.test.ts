/** biome-ignore-all lint/suspicious/noTemplateCurlyInString: the contract writes its variables so */
import { describe, expect, it } from 'vitest'
import { fill, MissingVariable, pointer } from './variables.ts'

const variables = new Map<string, unknown>([
  ['n', 7],
  ['s', 'x'],
])

describe('fill', () => {
  it('puts a whole variable in with its type, others as text', () => {
    expect(fill({ a: '${n}', b: ['p-${n}-${s}'], c: 1, d: null }, variables)).toEqual({
      a: 7,
      b: ['p-7-x'],
      c: 1,
      d: null,
    })
  })

  it("leaves Vault's own templates alone", () => expect(fill('{{s}}', variables)).toBe('{{s}}'))

  it('fails for a variable that is not there', () => expect(() => fill('a${none}', variables)).toThrow(MissingVariable))
})

describe('pointer', () => {
  const document = { a: { 'b/c': [{ '~': 1 }] } }
  it('finds', () => expect(pointer(document, '/a/b~1c/0/~0')).toBe(1))
  it('finds nothing', () => expect(pointer(document, '/a/x/0')).toBeUndefined())
  it('is the whole', () => expect(pointer(document, '')).toBe(document))
})
