import { expect, test } from 'vitest'
import { lineOf } from './lines.ts'

const TEXT = `{
  "*": { "policies": ["default"] },
  "web-*": {
    "Policies": [
      "web",
      7
    ],
    "TTL": "1h"
  },
  "Web-*": { "ttl": 1,
    "ttl": "twice" }
}`

test.each([
  [['web-*'], 3],
  [['web-*', 'ttl'], 8],
  [['web-*', 'policies', 1], 6],
  [['web-*', 'renewable'], 3],
  // the last of two counts
  [['Web-*', 'ttl'], 11],
  [['WEB-*', 'ttl'], 1],
  [[], 1],
])('%j is in line %d', (path, line) => {
  expect(lineOf(TEXT, { path, text: '' })).toBe(line)
})

test('a text that is no JSON has one line', () => {
  expect(lineOf('[1, 2', { path: ['a'], text: '' })).toBe(1)
})
