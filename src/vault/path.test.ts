import fc from 'fast-check'
import { expect, test } from 'vitest'
import { urlPath, VaultPathError } from './path.ts'

test('ordinary paths stay as they are', () => {
  expect(urlPath('auth/approle/role/writ-job/secret-id')).toBe('auth/approle/role/writ-job/secret-id')
  expect(urlPath('kv/metadata/')).toBe('kv/metadata/')
})

test('what has a meaning in a URL is encoded', () => {
  expect(urlPath('kv/a b?list=true#x%2f')).toBe('kv/a%20b%3Flist%3Dtrue%23x%252f')
})

test.each(['', '/', '..', 'kv/../sys', 'kv/./x', 'kv//x', '/kv', 'kv/a\nb', 'kv/\u0000', 'kv/\u007f', 'kv/\ud800'])(
  '%j is refused',
  path => {
    expect(() => urlPath(path)).toThrow(VaultPathError)
  },
)

test('no input reaches another path than the one that was named', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), name => {
      let encoded: string
      try {
        encoded = urlPath(`kv/data/${name}`)
      } catch (error) {
        expect(error).toBeInstanceOf(VaultPathError)
        return
      }
      const url = new URL(`http://vault/v1/${encoded}`)
      expect(url.search + url.hash).toBe('')
      expect(url.pathname.startsWith('/v1/kv/data/')).toBe(true)
      expect(decodeURIComponent(url.pathname)).toBe(`/v1/kv/data/${name}`)
    }),
  )
})
