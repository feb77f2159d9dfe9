import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fullImageName } from './image-name.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

test.each([
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['docker.io/library/busybox:latest', 'docker.io/library/busybox:latest'],
  ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest'],
  ['team/app', 'docker.io/team/app:latest'],
  ['host:5000/app', 'host:5000/app:latest'],
  ['host:5000/a/b/c:v1', 'host:5000/a/b/c:v1'],
  ['localhost/app', 'localhost/app:latest'],
  ['Registry.Example/app', 'registry.example/app:latest'],
  [`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
  [`busybox:1.36@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
  [DIGEST, DIGEST],
  ['a'.repeat(64), DIGEST],
])('%s is %s', (ref, full) => {
  expect(fullImageName(ref)).toBe(full)
})

test.each([
  '',
  '/',
  'a//b',
  'a/../b',
  '../a',
  './a',
  'a/.',
  'a/b/',
  'a/*',
  'a/+/b',
  'UPPER',
  'a:tag:tag',
  'a@sha256:short',
  `a@${DIGEST}@${DIGEST}`,
  'a@md5:00',
  'a b',
  'a%2fb',
  'host:port/a',
  'a:',
  'a/b:c/d',
  '-a',
])('%s is no name of an image', ref => {
  expect(fullImageName(ref)).toBeNull()
})

test('whatever it is: a full name is its own full name, and has no part that means something in a path', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[\w.:/@+*% -]{0,40}$/), ref => {
      const full = fullImageName(ref)
      if (full === null) return
      expect(fullImageName(full)).toBe(full)
      expect(full.split('/').some(part => part === '' || /^\.+$/.test(part) || /[*+%\s]/.test(part))).toBe(false)
    }),
    { numRuns: 2_000 },
  )
})
