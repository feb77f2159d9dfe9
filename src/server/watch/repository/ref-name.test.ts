import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { watchedRef } from './ref-name.ts'

test.each([
  ['main', 'refs/heads/main'],
  ['feature/x-1.2_y', 'refs/heads/feature/x-1.2_y'],
  ['größe', 'refs/heads/größe'],
  ['refs/heads/main', 'refs/heads/main'],
  ['refs/tags/production', 'refs/tags/production'],
  ['HEAD', 'refs/heads/HEAD'],
  ['a;b&c|d$(e)`f`', 'refs/heads/a;b&c|d$(e)`f`'],
])('%s', (branch, ref) => {
  expect(watchedRef(branch)).toBe(ref)
  execFileSync('git', ['check-ref-format', ref])
})

test.each([
  '',
  '-',
  '--upload-pack=id',
  '-x',
  'a/-x',
  '@',
  'a..b',
  'a@{1}',
  'a b',
  'a\nb',
  'a\0b',
  'a~1',
  'a^',
  'a:b',
  '+a:b',
  'a*',
  'a?',
  'a[b',
  'a\\b',
  '.a',
  'a/.b',
  'a.lock',
  'a.lock/b',
  'a.',
  '/a',
  'a/',
  'a//b',
  'refs/heads/',
  'refs/remotes/a',
  'refs/notes/commits',
  'refs/replace/0000000000000000000000000000000000000000',
  'refs/tags/latest-signature',
  'main\u202e',
  `${'x'.repeat(300)}`,
])('%j is refused', branch => {
  expect(() => watchedRef(branch)).toThrow(expect.objectContaining({ code: 'repository_branch_invalid' }))
})
