import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { Secret } from '../../vault/secret.ts'
import { secretsFile } from './secrets-file.ts'

const fileOf = (values: Record<string, string>, type: 'yaml' | 'json' = 'yaml') =>
  secretsFile(new Map(Object.entries(values).map(([name, value]) => [name, new Secret(value)])), type)
const yamlOf = (values: Record<string, string>) => fileOf(values).text.reveal()

/** What readers of different kinds make of it. */
const readers: Record<string, (yaml: string) => unknown> = {
  '1.1': yaml => parse(yaml, { version: '1.1', uniqueKeys: true }),
  '1.2': yaml => parse(yaml, { version: '1.2', uniqueKeys: true }),
  json: yaml => parse(yaml, { schema: 'core', merge: true }),
}
/** The characters that YAML 1.1 lets into a file at all; strict readers refuse the whole file for another one. */
const printable = /^[\n\x20-\x7e\t\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]*$/u

function expectSame(values: Record<string, string>): void {
  const yaml = yamlOf(values)
  expect(yaml).toMatch(printable)
  expect(yaml).not.toMatch(/[\u2028\u2029]/)
  for (const read of Object.values(readers)) expect(read(yaml)).toEqual(values)
}

const PITFALLS = [
  ...[
    'yes',
    'no',
    'on',
    'off',
    'y',
    'N',
    'true',
    'FALSE',
    'null',
    'Null',
    '~',
    '',
    '=',
    '<<',
    '!!',
    '!a',
    '-',
    '?',
    ':',
  ],
  ...[
    '1:20',
    '190:20:30',
    '0o7',
    '017',
    '0x1F',
    '0b1',
    '1e3',
    'E0',
    'e-5',
    '1_000',
    '.5',
    '1.',
    '+1',
    '-0',
    '.inf',
    '.NaN',
    '1',
  ],
  ...[
    '2001-01-01',
    '2001-12-14t21:59:43.10-05:00',
    'a: b',
    'a:b',
    'a:',
    'a #b',
    '#a',
    '@a',
    '`a',
    '%a',
    '&a',
    '*a',
    '|',
  ],
  ...[
    '>',
    '[',
    ']',
    '{',
    '}',
    ',',
    '"',
    "'",
    '"a"',
    "it's",
    '\\',
    '\\n',
    '---',
    '...',
    '- a',
    '? a',
    'a\tb',
    '\ta',
    'a\t',
  ],
  ...[' a', 'a ', ' ', '\n', '\n\n', 'a\n', 'a\n\n', '\na', 'a\nb', 'a\nb\n', 'a\n\nb', 'a\n \nb', 'a\n b', '  a\nb'],
  ...[
    'a\n\tb',
    '#a\nb',
    '---\nb',
    'a: |\n b',
    'a\r\nb',
    'a\rb',
    '\r\n',
    'a\u0085b',
    'a\u2028b',
    'a\u2029\nb',
    '\ufeffa',
  ],
  ...['a\u007fb', 'a\u0000b', 'a\u001b[31m', 'é', '日本', '🌍', 'a\u00a0', '\u3000', 'a\n\u00a0', '\ufffe', '\uffff'],
  ...['https://user:pw@host:5432/db?x=1', 'x'.repeat(300), `${'x '.repeat(300)}y`],
]

test.each(PITFALLS.map(text => [text]))('%j is the same text to every reader', text => {
  expectSame({ name: text })
})

test('whatever the values and names are', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }).filter(text => text.isWellFormed()),
    fc.string({ unit: 'grapheme' }),
    fc.array(fc.constantFrom(...PITFALLS), { maxLength: 4 }).map(parts => parts.join('')),
    fc.array(fc.constantFrom(...PITFALLS), { maxLength: 4 }).map(parts => parts.join('\n')),
  )
  const name = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_]{1,12}$/),
    fc.constantFrom('yes', 'no', '12', '0x1', 'constructor'),
  )
  fc.assert(
    fc.property(
      fc.dictionary(
        name.filter(text => text !== '__proto__'),
        value,
        { noNullPrototype: true },
      ),
      values => {
        expectSame(values)
        expect(JSON.parse(fileOf(values, 'json').text.reveal())).toEqual(values)
      },
    ),
    { numRuns: 400 },
  )
})

test('ordinary values stand bare, line by line, capitals first', () => {
  expect(
    yamlOf({ b: 's3cr3t', a1: 'some text', TOKEN: 's.abc', a: 'x', Z: 'https://a:b@c/d', '10': 'ten', '9': 'nine' }),
  ).toBe(
    '---\n# the secrets of this job\n"10": ten\n"9": nine\nTOKEN: s.abc\nZ: https://a:b@c/d\na: x\na1: some text\nb: s3cr3t\n',
  )
})

test('a key is a block', () => {
  const pem = '-----BEGIN PRIVATE KEY-----\nMIIE\n\nAB==\n-----END PRIVATE KEY-----\n'
  expect(yamlOf({ pem })).toContain('pem: |\n  -----BEGIN PRIVATE KEY-----\n  MIIE\n\n  AB==\n')
})

test('JSON: sorted, one object, no line end', () => {
  const { name, text } = fileOf({ b: '1', B: '"', '10': 'x', '9': 'y' }, 'json')
  expect([name, text.reveal()]).toEqual(['secrets.json', '{"10":"x","9":"y","B":"\\"","b":"1"}'])
})

test('names that objects have already', () => {
  const values = new Map(['__proto__', 'constructor', 'toString'].map(name => [name, new Secret('v')]))
  expect(secretsFile(values, 'json').text.reveal()).toBe('{"__proto__":"v","constructor":"v","toString":"v"}')
  expect(secretsFile(values, 'yaml').text.reveal()).toContain('__proto__: v\nconstructor: v\ntoString: v\n')
})

test('half of a surrogate pair, which no file can hold, does not spoil the rest', () => {
  expect(parse(yamlOf({ a: 'x\ud800', b: 'y' }))).toEqual({ a: 'x\ufffd', b: 'y' })
})

test('the text is a secret, and empty without secrets', () => {
  expect(String(fileOf({ a: 'canary' }).text)).toBe('[secret]')
  expect(parse(yamlOf({}))).toEqual({})
})
