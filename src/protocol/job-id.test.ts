import { expect, test } from 'vitest'
import { newJobId, parseJobId } from './job-id.ts'

test('a new id is one, begins with its time and is never the same', () => {
  const ids = Array.from({ length: 1_000 }, () => newJobId(new Date('2019-08-04T10:00:00.999Z')))
  expect(new Set(ids).size).toBe(1_000)
  for (const id of ids) {
    expect(id).toMatch(/^5d46aca0[0-9a-f]{16}$/)
    expect(parseJobId(id)).toBe(id)
  }
})

test('either case, blanks around it', () => {
  expect(parseJobId(' 5D46B1C2E4B0A1F2C3D4E5F6\n')).toBe('5d46b1c2e4b0a1f2c3d4e5f6')
})

test.each([
  '',
  'zzz',
  '5d46b1c2e4b0a1f2c3d4e5f',
  '5d46b1c2e4b0a1f2c3d4e5f67',
  '5d46b1c2e4b0a1f2c3d4e5fg',
  `${'a'.repeat(24)}\na`,
  'ａ'.repeat(24),
  "' or 1=1 --".padEnd(24),
])('%j is none', text => {
  expect(() => parseJobId(text)).toThrow(
    expect.objectContaining({ code: 'job_id_invalid', message: 'Invalid job ID (not ObjectIdHex)' }),
  )
})
