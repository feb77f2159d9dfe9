import { expect, test } from 'vitest'
import { masterHost, parseMesosAddress } from './address.ts'

test.each([
  ['http://m1:5050,m2:5051', { kind: 'masters', secure: false, hosts: ['m1:5050', 'm2:5051'] }],
  ['https://m1', { kind: 'masters', secure: true, hosts: ['m1:443'] }],
  ['http://m1,m2:5050', { kind: 'masters', secure: false, hosts: ['m1:80', 'm2:5050'] }],
  ['10.0.0.1,10.0.0.2', { kind: 'masters', secure: false, hosts: ['10.0.0.1:5050', '10.0.0.2:5050'] }],
  ['HTTPS://m1:5050', { kind: 'masters', secure: true, hosts: ['m1:5050'] }],
  ['ZK://h1/mesos', { kind: 'zookeeper', secure: false, path: '/mesos' }],
  ['http://m1:5050/ignored/path', { kind: 'masters', hosts: ['m1:5050'] }],
  ['10.0.0.1:5050,10.0.0.2:5050', { kind: 'masters', secure: false, hosts: ['10.0.0.1:5050', '10.0.0.2:5050'] }],
  ['leader.mesos:5050', { kind: 'masters', hosts: ['leader.mesos:5050'] }],
  ['http://[::1]:5050', { kind: 'masters', hosts: ['[::1]:5050'] }],
  [
    'zk://h1,h2:99/mesos',
    {
      kind: 'zookeeper',
      secure: false,
      servers: [
        { host: 'h1', port: 2181 },
        { host: 'h2', port: 99 },
      ],
      path: '/mesos',
    },
  ],
  ['zks://h1/a/b/', { kind: 'zookeeper', secure: true, path: '/a/b' }],
])('%s', (text, expected) => expect(parseMesosAddress(text)).toMatchObject(expected))

test.each([
  ['zk://user:pa%3Ass@h1,h2/mesos', 'user:pa:ss'],
  ['https://user:pass@h1', 'user:pass'],
])('the login of %s is kept from view', (text, login) => {
  const address = parseMesosAddress(text)
  expect(address.login?.reveal()).toBe(login)
  expect(JSON.stringify(address)).not.toContain('pass')
})

test.each([
  '',
  'zk://h1',
  'zk://h1/',
  'zk://h1/..',
  'zk://h1/a b',
  'ftp://h1',
  'http://',
  'http://h1:0',
  'http://h1:99999',
  'http://h 1',
  'http://h1,',
  'zk://user:secret@h 1/mesos',
  'http://h1:5050?x=1',
  'http://-',
  'http://a\nb',
])('%j is refused, and not repeated', text => {
  const error = (() => {
    try {
      return parseMesosAddress(text)
    } catch (thrown) {
      return thrown as Error
    }
  })()
  expect(error).toBeInstanceOf(Error)
  expect((error as Error).message).not.toContain('secret')
})

test.each([
  ['10.0.0.1:5050', '10.0.0.1:5050'],
  ['master.example', 'master.example:5050'],
  ['user@evil:80', undefined],
  ['evil:80/path', undefined],
  ['evil:80#', undefined],
  ['', undefined],
])('of a peer: %s', (text, expected) => expect(masterHost(text)).toBe(expected))
