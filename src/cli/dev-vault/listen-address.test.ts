import { expect, it } from 'vitest'
import { listenAddress } from './listen-address.ts'

it.each([
  ['127.0.0.1:8200', { host: '127.0.0.1', port: 8200 }],
  ['127.9.9.9:0', { host: '127.9.9.9', port: 0 }],
  ['localhost:1', { host: 'localhost', port: 1 }],
  ['[::1]:8200', { host: '::1', port: 8200 }],
])('%s', (text, address) => expect(listenAddress(text, false)).toEqual(address))

it.each(['', '8200', ':8200', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '::1:8200', 'a:b:1'])(
  '%j is none',
  text => {
    expect(() => listenAddress(text, true)).toThrow(/is not host:port/)
  },
)

it.each(['0.0.0.0:8200', '[::]:8200', '10.0.0.1:1', '127.0.0.1.example.org:1', 'localhost.example.org:1'])(
  '%s only when that is allowed',
  text => {
    expect(() => listenAddress(text, false)).toThrow(/other machines/)
    expect(listenAddress(text, true).port).toBeGreaterThan(0)
  },
)
