import { expect, test } from 'vitest'
import { type Protocol, parseAddress } from './address.ts'

const ALL: readonly Protocol[] = ['https', 'ssh', 'http', 'file']

test.each([
  ['https://github.com/flant/negentropy', 'https://github.com/flant/negentropy', 'github.com'],
  ['https://Git.Example.com:8443/a/b.git', 'https://git.example.com:8443/a/b.git', 'git.example.com:8443'],
  ['https://[::1]:3000/a', 'https://[::1]:3000/a', '[::1]:3000'],
  ['ssh://git@git.example.com:2222/srv/a.git', 'ssh://git@git.example.com:2222/srv/a.git', 'git.example.com:2222'],
  ['ssh://git.example.com/~me/a.git', 'ssh://git.example.com/~me/a.git', 'git.example.com'],
  ['git@github.com:flant/negentropy.git', 'git@github.com:flant/negentropy.git', 'github.com'],
  ['git@host:/srv/a.git', 'git@host:/srv/a.git', 'host'],
])('%s is taken as %s', (text, url, host) => {
  expect(parseAddress(text)).toMatchObject({ url, host })
})

test.each([
  ['/srv/git/a', 'file:///srv/git/a'],
  ['file:///srv/git/a', 'file:///srv/git/a'],
  ['http://127.0.0.1:8000/a', 'http://127.0.0.1:8000/a'],
])('%s only where it is allowed', (text, url) => {
  expect(parseAddress(text, ALL).url).toBe(url)
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'repository_address_invalid' }))
})

test.each([
  'ext::sh -c id',
  'ext::sh%20-c%20id',
  'fd::17',
  '--upload-pack=id',
  '-u',
  'ssh://-oProxyCommand=id/x',
  'ssh://git@-oProxyCommand=id/x',
  'ssh://-oProxyCommand=id@host/x',
  '-oProxyCommand=id@host:x',
  'git@host:-x',
  'git@host:--upload-pack=id',
  'ssh://host/--upload-pack=id',
  'git@host::x',
  'host:path',
  'C:/x',
  'git://host/x',
  'ftp://host/x',
  'https://host',
  'https:///x',
  'https://user@host/x',
  'https://user:password@host/x',
  'ssh://user:password@host/x',
  'https://host:0/x',
  'https://host:99999/x',
  'https://ho st/x',
  'https://host/x\ny',
  'https://host/x\0',
  'https://host/a/../../b',
  'https://host/a/%2e%2e/b',
  'file:///srv/a/%2E%2e/b',
  'file:///srv/a%2f%2e%2e%2fb',
  'ssh://host/%2D-upload-pack=id',
  'https://host/x?service=git-upload-pack',
  'https://host/x#y',
  "ssh://host/x';id;'",
  'ssh://host/$(id)',
  'ssh://host/`id`',
  'https://höst/x',
  'https://.host/x',
  'file://host/x',
  './x',
  'x',
  '',
  `https://host/${'x'.repeat(3000)}`,
])('%j is refused', text => {
  expect(() => parseAddress(text, ALL)).toThrow(expect.objectContaining({ code: 'repository_address_invalid' }))
})

test('no password of an address in a message', () => {
  for (const address of ['https://user:canary@host/x', 'ssh://user:canary@host/x', 'https://user:ca:nary@host/x y']) {
    expect(() => parseAddress(address, ALL)).toThrow(expect.not.objectContaining({ message: /canary|ca:nary/ }))
    try {
      parseAddress(address, ALL)
    } catch (error) {
      expect(String(error)).not.toMatch(/canary|ca:nary/)
    }
  }
})
