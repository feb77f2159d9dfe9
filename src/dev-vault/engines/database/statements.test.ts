import { expect, it } from 'vitest'
import { fillStatements, splitStatements, sqlTime } from './statements.ts'

it.each([
  ['a; b;', ['a', 'b']],
  [';;', []],
  [`a ';' ; b`, [`a ';'`, 'b']],
  [`a 'it''s;' ; b`, [`a 'it''s;'`, 'b']],
  ['a ";" ; b', ['a ";"', 'b']],
  ['do $$ x; y; $$; b', ['do $$ x; y; $$', 'b']],
  ['do $f$ $$;$$ $f$; b', ['do $f$ $$;$$ $f$', 'b']],
  ['a -- x; y\n; b', ['a -- x; y', 'b']],
  ['a /* ; */; b', ['a /* ; */', 'b']],
])('%j is %j', (text, statements) => expect(splitStatements(text)).toEqual(statements))

it('puts values in and leaves unknown names alone', () => {
  expect(fillStatements(['x {{name}} {{ name }}; y {{other}} {{constructor}}'], { name: 'n' })).toEqual([
    'x n n',
    'y {{other}} {{constructor}}',
  ])
})

it('writes times with their zone', () => expect(sqlTime(0)).toBe('1970-01-01 00:00:00+0000'))
