import { describe, expect, test } from 'vitest'
import { type Protocol, parseAddress } from '../address.ts'
import { isSameServer, originOf, type Reach, submoduleAddress } from './submodule-address.ts'

const ALL: readonly Protocol[] = ['https', 'ssh', 'http', 'file']
const at = (own: string, hosts: readonly string[] = [], protocols?: readonly Protocol[]): Reach => ({
  own: parseAddress(own, ALL),
  hosts,
  protocols,
})
const resolve = (url: string, base: string, hosts?: readonly string[], protocols?: readonly Protocol[]) =>
  submoduleAddress(url, parseAddress(base, ALL), at(base, hosts, protocols)).url

describe('relative addresses', () => {
  test.each([
    ['../x.git', 'https://host/a/main.git', 'https://host/a/x.git'],
    ['../../x', 'https://host/a/main.git', 'https://host/x'],
    ['./x', 'https://host/a/main.git', 'https://host/a/main.git/x'],
    ['.././x', 'https://host/a/main/', 'https://host/a/x'],
    ['../x', 'https://host:8443/main', 'https://host:8443/x'],
    ['../x.git', 'ssh://git@host:2222/srv/main.git', 'ssh://git@host:2222/srv/x.git'],
    ['../x.git', 'git@host:org/main.git', 'git@host:org/x.git'],
    ['../../other/x.git', 'git@host:org/main.git', 'git@host:other/x.git'],
    ['../x.git', 'git@host:/srv/main.git', 'git@host:/srv/x.git'],
  ])('%s of %s', (url, base, resolved) => {
    expect(resolve(url, base)).toBe(resolved)
  })

  test.each([
    ['../../x', 'https://host/main'],
    ['../../../../evil.example/x', 'https://host/a/main'],
    ['../../../x', 'git@host:org/main.git'],
    ['../../evil@other:x', 'git@host:main.git'],
    ['../a/../../x', 'https://host/a/main'],
    ['../-x', 'https://host/a/main'],
    ['../x?y', 'https://host/a/main'],
    ['..//../x', 'https://host/main'],
    ['../x\n', 'https://host/a/main'],
    ['../', 'file:///'],
  ])('%j of %s leads nowhere', (url, base) => {
    expect(() => resolve(url, base, [], ALL)).toThrow(expect.objectContaining({ code: 'submodule_address_refused' }))
  })
})

test.each([
  ['https://host/x', 'https://host:443/main'],
  ['https://HOST:443/x', 'https://host/main'],
  ['ssh://git@host/x', 'git@host:main.git'],
  ['git@host:x', 'ssh://git@host:22/main'],
])('%s is on the server of %s', (url, base) => {
  expect(isSameServer(parseAddress(resolve(url, base)), parseAddress(base))).toBe(true)
})

test.each([
  ['https://other/x', 'https://host/main'],
  ['https://host:8443/x', 'https://host/main'],
  ['https://host.evil.example/x', 'https://host/main'],
  ['ssh://git@host/x', 'https://host/main'],
  ['ssh://root@host/x', 'ssh://git@host/main'],
  ['ssh://host/x', 'ssh://git@host/main'],
  ['root@host:x', 'git@host:main'],
  ['ssh://git@host:2222/x', 'git@host:main'],
  ['http://host/x', 'https://host/main'],
  ['/etc/x', 'https://host/main'],
  ['file:///etc/x', 'https://host/main'],
])('%s is not on the server of %s, whatever is allowed for watches', (url, base) => {
  expect(() => resolve(url, base, [], ALL)).toThrow(expect.objectContaining({ code: 'submodule_host_refused' }))
})

test('another host only if it is listed, by its protocol too', () => {
  expect(resolve('https://other/x', 'https://host/main', ['https://other'])).toBe('https://other/x')
  for (const hosts of [['https://other:8443'], ['http://other'], ['ssh://other'], ['https://other.example']])
    expect(() => resolve('https://other/x', 'https://host/main', hosts)).toThrow(
      expect.objectContaining({ code: 'submodule_host_refused' }),
    )
})

test.each([
  'ext::sh -c "touch hit"',
  'ext::touch%20hit',
  'fd::7',
  'file:///etc',
  '/etc',
  '--upload-pack=touch hit',
  '-x',
  'ssh://-oProxyCommand=touch%20hit/x',
  'git://host/x',
  'http://host/x',
  'https://user:canary@host/x',
  'https://host/x\nurl = y',
  'https://host/x%0aurl',
  '../x%0D',
  '../x%00',
  'x',
  '..\\x',
  '..',
  '',
])('%j is refused, and not repeated', url => {
  const refuse = () => resolve(url, 'https://host/a/main')
  expect(refuse).toThrow(expect.objectContaining({ code: 'submodule_address_refused' }))
  expect(refuse).toThrow(expect.not.objectContaining({ message: expect.stringContaining('canary') }))
})

test('of a path, only what is beside it', () => {
  const beside = (url: string) => resolve(url, '/srv/git/main.git', ['file://'], ALL)
  expect(beside('../lib.git')).toBe('file:///srv/git/lib.git')
  expect(beside('/srv/git/deep/lib.git')).toBe('file:///srv/git/deep/lib.git')
  for (const url of ['/srv/github/x', '/var/cache/x.git', '../../x.git', '/srv/git', 'file:///etc'])
    expect(() => beside(url)).toThrow(expect.objectContaining({ code: 'submodule_host_refused' }))
  // git decodes them
  for (const url of ['../%2e%2e/x.git', './%2E./%2e%2e/x.git', '/srv/git/%2e%2e/x.git', '../x%2F%2e%2e/%2e%2e%2fx.git'])
    expect(() => beside(url)).toThrow(expect.objectContaining({ code: 'submodule_address_refused' }))
  expect(() => resolve('../x', '/main', [], ALL)).toThrow(expect.objectContaining({ code: 'submodule_host_refused' }))
})

test('origins', () => {
  const origin = (text: string) => originOf(parseAddress(text, ALL))
  expect(origin('https://Host:443/x')).toBe('https://host')
  expect(origin('http://host:80/x')).toBe('http://host')
  expect(origin('https://[::1]:3000/x')).toBe('https://[::1]:3000')
  expect(origin('git@host:x')).toBe('ssh://git@host')
  expect(origin('ssh://host:2222/x')).toBe('ssh://host:2222')
  expect(origin('/srv/x')).toBe('file://')
})
