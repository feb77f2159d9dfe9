import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FlagError, type FlagTable, HelpWanted, parseFlags, usage } from './flags.ts'

const TABLE = {
  text: { kind: 'text', help: 'some text' },
  secret: { kind: 'text', help: 'a secret', file: true },
  number: { kind: 'number', help: 'a number', default: '1' },
  on: { kind: 'boolean', help: 'a switch', default: 'true' },
} as const satisfies FlagTable

const parse = (...args: string[]) => ({ ...parseFlags(TABLE, args) })

describe('the ways to write a flag', () => {
  const dashes = fc.constantFrom('-', '--')

  test('a text in any of them is that text, whatever is in it', () => {
    fc.assert(
      fc.property(dashes, fc.boolean(), fc.string({ unit: 'binary' }), (dash, joined, text) => {
        const args = joined ? [`${dash}text=${text}`] : [`${dash}text`, text]
        expect(parse(...args)).toEqual({ text })
      }),
    )
  })

  test('of several the last one wins, and none disturbs another', () => {
    const flag = fc.oneof(
      fc.tuple(fc.constantFrom('text', 'secret'), fc.string()),
      fc.tuple(fc.constant('number'), fc.nat({ max: 999_999_999 })),
      fc.tuple(fc.constant('on'), fc.boolean()),
    )
    fc.assert(
      fc.property(fc.array(flag), flags => {
        const args = flags.map(([name, value]) => `-${name}=${value}`)
        expect(parse(...args)).toEqual(Object.fromEntries(flags))
      }),
    )
  })

  test('nothing else comes out of any arguments than values of the right kind, or an error that says no value', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('-text', '--on', '-on=x', '-number', '-', '--', '---', '-=', '-h', '-__proto__=1', '--toString'),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), args => {
        try {
          const { text = '', secret = '', number = 0, on = true, ...rest } = parse(...args)
          expect([typeof text, typeof secret, typeof number, typeof on]).toEqual([
            'string',
            'string',
            'number',
            'boolean',
          ])
          expect(rest).toEqual({})
        } catch (error) {
          expect(error instanceof FlagError || error instanceof HelpWanted).toBe(true)
        }
      }),
    )
  })

  test.each(['1', 't', 'T', 'true', 'TRUE', 'True'])('-on=%s', word => {
    expect(parse(`-on=${word}`)).toEqual({ on: true })
  })

  test.each(['0', 'f', 'F', 'false', 'FALSE', 'False'])('-on=%s', word => {
    expect(parse(`-on=${word}`)).toEqual({ on: false })
  })

  test('a boolean without a value is true; the next word is not its value', () => {
    expect(parse('-on')).toEqual({ on: true })
    expect(parse('-on', '-text', 'x')).toEqual({ on: true, text: 'x' })
    expect(() => parse('-on', 'false')).toThrow('argument 2 belongs to no flag')
  })

  test('what is not given is not there, also where there is a default', () => {
    expect(parse()).toEqual({})
    expect(parse('--')).toEqual({})
  })

  test('the next word is the value, also when it looks like a flag', () => {
    expect(parse('-text', '-on', '-number', '5')).toEqual({ text: '-on', number: 5 })
  })
})

describe('refused', () => {
  test.each([
    [['-none'], 'flag provided but not defined: -none'],
    [['-none=x'], 'flag provided but not defined: -none'],
    [['-toString=x'], 'flag provided but not defined: -toString'],
    [['-__proto__=x'], 'flag provided but not defined: -__proto__'],
    [['-text'], 'flag needs an argument: -text'],
    [['-on=maybe'], 'invalid boolean value for -on'],
    [['-on='], 'invalid boolean value for -on'],
    [['-number=x'], 'invalid value for -number'],
    [['-number=-1'], 'invalid value for -number'],
    [['-number=1.5'], 'invalid value for -number'],
    [['-number', ''], 'invalid value for -number'],
    [['---text=x'], 'bad flag syntax in argument 1'],
    [['-=x'], 'bad flag syntax in argument 1'],
    [['-text=x', '-'], 'argument 2 belongs to no flag'],
    [['--', '-text=x'], 'argument 1 belongs to no flag'],
    [[''], 'argument 1 belongs to no flag'],
  ])('%j', (args, message) => {
    expect(() => parse(...args)).toThrow(FlagError)
    expect(() => parse(...args)).toThrow(message)
  })

  test('a token in the wrong place is not repeated', () => {
    for (const args of [['-secret', '=', 's.token'], ['s.token'], ['-on=s.token'], ['-number=s.token']]) {
      const error = expect.objectContaining({ message: expect.not.stringContaining('s.token') })
      expect(() => parse(...args)).toThrow(error)
    }
  })
})

describe('usage', () => {
  test.each(['-h', '--h', '-help', '--help'])('%s asks for it', arg => {
    expect(() => parse(arg)).toThrow(HelpWanted)
  })

  test('a flag of that name is a flag', () => {
    expect({ ...parseFlags({ h: { kind: 'text', help: '' } }, ['-h', 'x']) }).toEqual({ h: 'x' })
  })

  test('looks as Go prints it, in the order of the names', () => {
    expect(usage('program', TABLE)).toBe(`Usage of program:
  -number int
    \ta number (default 1)
  -on
    \ta switch (default true)
  -secret string
    \ta secret; or @file
  -text string
    \tsome text
`)
  })
})
