import { describe, expect, test } from 'vitest'
import { pointerOf } from '../../../../../test/git-servers/lfs-server.ts'
import { pointerIn } from './pointer.ts'

const OID = 'ab'.repeat(32)
const read = (text: string) => pointerIn(Buffer.from(text))

test('a pointer', () => {
  expect(read(pointerOf(OID, 12345))).toEqual({ oid: OID, size: 12345 })
  expect(read(pointerOf(OID, 0))).toEqual({ oid: OID, size: 0 })
})

test.each([
  '',
  'x',
  'the pointer begins with version https://git-lfs.github.com/spec/v1',
  `${pointerOf(OID, 1)}${'x'.repeat(1024)}`,
  'version https://git-lfs.github.com/other',
])('%j is an ordinary file', text => {
  expect(read(text)).toBeUndefined()
})

describe('begins like one and is none', () => {
  test.each([
    'version https://git-lfs.github.com/spec/v1',
    'version https://git-lfs.github.com/spec/v1\n',
    pointerOf(OID, 1).replace('v1', 'v2'),
    pointerOf(OID.slice(2), 1),
    pointerOf(`${OID}ab`, 1),
    pointerOf(OID.toUpperCase(), 1),
    pointerOf(`../../${OID.slice(6)}`, 1),
    pointerOf(OID, 1).replace('sha256', 'md5'),
    pointerOf(OID, -1),
    pointerOf(OID, '01'),
    pointerOf(OID, '1e3'),
    pointerOf(OID, '9'.repeat(16)),
    pointerOf(OID, ''),
    pointerOf(OID, 1).trimEnd(),
    `${pointerOf(OID, 1)}\n`,
    pointerOf(OID, 1).replaceAll('\n', '\r\n'),
    pointerOf(OID, 1).replace('oid', `ext-0-foo sha256:${OID}\noid`),
    pointerOf(OID, 1).replace(/(oid.*\n)(size.*\n)/, '$2$1'),
    pointerOf(OID, 1).replace(/oid.*\n/, '$&$&'),
    `${pointerOf(OID, 1)}key value\n`,
  ])('%j', text => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'lfs_pointer_invalid' }))
  })
})
