import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { generatedDocs } from './generated-docs.ts'

test.each(Object.entries(generatedDocs()))('%s is what `npm run docs` makes', (path, text) => {
  expect(readFileSync(path, 'utf8')).toBe(text)
})
