import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { DockerFixture, finished } from '../../../../test/docker-fixture.ts'
import { dockerRuntime } from './docker-runtime.ts'

const docker = new DockerFixture()
const OPENSSL = 'openssl'
const folder = mkdtempSync(join(tmpdir(), 'writ-tls-'))
const file = (name: string) => join(folder, name)

/** The engine behind mutual TLS, with one certificate that is its own authority for both sides. */
const server = (() => {
  const options = ['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', file('key.pem')]
  const name = ['-subj', '/CN=engine', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', file('cert.pem')]
  execFileSync(OPENSSL, ['req', '-x509', '-days', '2', ...options, ...name], { stdio: 'ignore' })
  execFileSync('cp', [file('cert.pem'), file('ca.pem')])
  const cert = readFileSync(file('cert.pem'))
  const secure = { cert, key: readFileSync(file('key.pem')), ca: cert, requestCert: true, allowHalfOpen: true }
  return createServer(secure, client => {
    const engine = connect({ path: '/var/run/docker.sock', allowHalfOpen: true })
    client.pipe(engine).pipe(client)
    client.on('error', () => engine.destroy())
    engine.on('error', () => client.destroy())
  })
})()

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => server.close())

const host = () => `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`

test('a whole job over TLS, secrets and half-closed input included', async () => {
  vi.stubEnv('DOCKER_TLS_VERIFY', '1')
  vi.stubEnv('DOCKER_CERT_PATH', folder)
  const runtime = dockerRuntime({ host: host() })
  const id = await runtime.create(docker.spec(['sh', '-c', 'wc -c </run/writ/big; echo $KEY']))
  const secrets = { files: { big: Buffer.alloc(1_000_000, 'x') }, env: { KEY: 'value' } }
  const { stdout, exit } = await finished(await runtime.start(id ?? '', secrets))
  expect([stdout.toString(), exit.code]).toEqual(['1000000\nvalue\n', 0])
  await runtime.close()
})

test('an engine whose certificate nobody vouches for is not talked to', async () => {
  vi.stubEnv('DOCKER_TLS_VERIFY', '1')
  vi.stubEnv('DOCKER_CERT_PATH', '')
  const runtime = dockerRuntime({ host: host() })
  await expect(runtime.info()).rejects.toMatchObject({ code: 'runtime_unavailable' })
  await expect(runtime.start('x', { files: {}, env: {} })).rejects.toMatchObject({ code: 'runtime_unavailable' })
  await runtime.close()
})
