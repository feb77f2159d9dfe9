import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Base64Error, decodeBase64 } from './base64.ts'

it('decodes what was encoded', () => {
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      expect(decodeBase64(Buffer.from(bytes).toString('base64'))).toEqual(Buffer.from(bytes))
    }),
  )
})

it('names the first byte that is illegal', () => {
  expect(() => decodeBase64('not base64!')).toThrow('illegal base64 data at input byte 3')
  expect(() => decodeBase64('!!')).toThrow('illegal base64 data at input byte 0')
})

it.each(['A', 'AA', 'AAA', 'A===', '====', '=', 'AA=A', 'A_-A', 'AAAA=', 'AA==AA=='])('refuses %j', text => {
  expect(() => decodeBase64(text)).toThrow(Base64Error)
})

it('leaves line ends out', () => expect(decodeBase64('aGVs\r\nbG8=').toString()).toBe('hello'))
