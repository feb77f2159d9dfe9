import { expect, test } from 'vitest'
import { engineAddress } from './engine-address.ts'

test.each([
  [undefined, {}, 'http://engine', '/var/run/docker.sock'],
  [undefined, { DOCKER_HOST: 'unix:///x.sock' }, 'http://engine', '/x.sock'],
  ['unix:///y.sock', { DOCKER_HOST: 'unix:///x.sock' }, 'http://engine', '/y.sock'],
  ['tcp://10.0.0.1', {}, 'http://10.0.0.1:2375', undefined],
  ['tcp://10.0.0.1:99', {}, 'http://10.0.0.1:99', undefined],
  ['tcp://engine.internal', { DOCKER_TLS_VERIFY: '1' }, 'https://engine.internal:2376', undefined],
])('%s with %j', (host, env, origin, socketPath) => {
  expect(engineAddress(host, env)).toMatchObject({ origin, socketPath })
})

test.each(['ssh://host', 'nonsense', 'tcp://', 'fd://'])('refuses %s', host => {
  expect(() => engineAddress(host, {})).toThrow(expect.objectContaining({ code: 'runtime_unavailable' }))
})

test('says that the certificates are missing', () => {
  const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/nowhere' }
  expect(() => engineAddress('tcp://h', env)).toThrow(/ca\.pem/)
})
