import { expect, test } from 'vitest'
import { withTag } from './image-ref.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

test.each([
  ['busybox', 'busybox:latest'],
  ['busybox:1.36', 'busybox:1.36'],
  ['team/image', 'team/image:latest'],
  ['host:5000/image', 'host:5000/image:latest'],
  ['host:5000/team/image:v1', 'host:5000/team/image:v1'],
  [`host:5000/image@${DIGEST}`, `host:5000/image@${DIGEST}`],
  [`image:v1@${DIGEST}`, `image:v1@${DIGEST}`],
  [DIGEST, DIGEST],
])('%s is %s', (ref, tagged) => {
  expect(withTag(ref)).toBe(tagged)
})
