import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HclBody, HclError, type HclValue, parseHcl } from './hcl.ts'

function plain(value: HclValue): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof HclBody) return value.items.map(item => [...item.keys, plain(item.value)])
  return value
}
const read = (text: string) => plain(parseHcl(text))

describe('parseHcl', () => {
  it('reads blocks, assignments, lists with a last comma and comments', () => {
    expect(
      read(`# a policy
        name = "n" // so
        path "secret/*" { /* what
          one may do */ capabilities = ["read", "list",] }`),
    ).toEqual([
      ['name', 'n'],
      ['path', 'secret/*', [['capabilities', ['read', 'list']]]],
    ])
  })

  it('reads quoted keys, numbers, booleans and nested objects', () => {
    expect(read('"a" = { "b" = [1, -2.5, true] "*" = [] }')).toEqual([
      [
        'a',
        [
          ['b', [1, -2.5, true]],
          ['*', []],
        ],
      ],
    ])
  })

  it('reads heredocs', () => {
    expect(read('a = <<EOT\n one\n  two\nEOT\nb = <<-X\n   one\n    two\n  X\n')).toEqual([
      ['a', ' one\n  two\n'],
      ['b', 'one\n two\n'],
    ])
  })

  it('reads JSON as the same thing', () => {
    expect(read('{"path":{"x":{"capabilities":["read"]}}}')).toEqual([['path', [['x', [['capabilities', ['read']]]]]]])
  })

  it('unescapes', () => expect(read('a = "\\"\\n\\u0041\\\\"')).toEqual([['a', '"\nA\\']]))

  it.each([
    ['path "x" { capabilities = [', /^At 1:28: /],
    ['\n  ?', /^At 2:3: illegal/],
    ['a = ', /EOF/],
    ['a b = 1', /unexpected/],
    ['a = "open', /illegal/],
    ['{} {}', /unexpected/],
    [`a = ${'['.repeat(5000)}`, /too deep/],
    ['a = <<E\nno end', /heredoc/],
  ])('refuses %j', (text, message) => {
    expect(() => parseHcl(text)).toThrow(HclError)
    expect(() => parseHcl(text)).toThrow(message)
  })

  it('throws nothing but its own error, whatever it is given', () => {
    const word = fc.constantFrom(
      'path',
      '"x"',
      '{',
      '}',
      '[',
      ']',
      '=',
      ':',
      ',',
      '1',
      '-',
      'true',
      '<<E\n',
      'E',
      '#',
      '/*',
      '"',
      '\n',
      '\\',
    )
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(word).map(words => words.join(' ')),
    )
    fc.assert(
      fc.property(text, input => {
        try {
          parseHcl(input)
        } catch (error) {
          if (!(error instanceof HclError)) throw error
        }
      }),
      { numRuns: 3000 },
    )
  })

  it('reads back any text it is given quoted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        expect(read(`a = ${JSON.stringify(text)}`)).toEqual([['a', text]])
      }),
    )
  })
})
