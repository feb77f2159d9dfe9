import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDevVault } from '../src/dev-vault/index.ts'
import { selfSigned } from '../test/certificate.ts'
import { startTestVault, type TestVault } from '../test/dev-vault.ts'
import { spawnGate, startGate } from './gate-process.ts'

let stack: TestVault
const folder = mkdtempSync(join(tmpdir(), 'writ-gate-'))
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('secret/data/gatekeeper', { data: { '*': { policies: ['default'], ttl: 600 } } })
})
afterAll(async () => {
  await stack.close()
  rmSync(folder, { recursive: true })
})

const start = (args: string[], env: Record<string, string> = {}) =>
  startGate(args, { VAULT_ADDR: stack.vault.address, ...env })

async function refused(args: string[], env: Record<string, string> = {}): Promise<string> {
  const child = spawnGate(args, { VAULT_ADDR: stack.vault.address, ...env })
  const [code, output] = await Promise.all([
    new Promise(done => child.once('exit', done)),
    text(child.stderr ?? expect.fail()),
  ])
  expect(code).toBe(2)
  return output
}

const root = () => stack.root.reveal()
const token = (address: string, id: string) =>
  fetch(`${address}/token`, { method: 'POST', body: JSON.stringify({ task_id: id }) })

test.each([
  ['the environment of version 1', [], { LISTEN_ADDR: '127.0.0.1:0', DOCKER_PROVIDER: 'test' }],
  ["the seed's name of the provider", [], { LISTEN_ADDR: '127.0.0.1:0', PROVIDER: 'test' }],
  ['flags of version 1', ['-listen', '127.0.0.1:0', '-provider=test', '-task-life', '1m'], {}],
  [
    'flags of version 2',
    ['server', '--listen-addr', '127.0.0.1:0', '--schedulers', 'test', '--policy-path=secret/data/gatekeeper'],
    {},
  ],
])('unsealed at start, by %s', async (_, args, env) => {
  const gate = await start(args, { ...env, VAULT_TOKEN: root() } as Record<string, string>)
  const answer = await token(gate.address, 't1')
  expect(answer.status).toBe(200)
  expect((await token(gate.address, 't1')).ok).toBe(false)
  expect(gate.lines()).not.toContain(root())
  expect(gate.lines()).not.toContain(((await answer.json()) as { token: string }).token)
  gate.child.kill('SIGTERM')
  expect(await new Promise(done => gate.child.once('exit', done))).toBe(0)
})

test('the address of Vault that tasks are told, with a slash at its end', async () => {
  const told = async (env: Record<string, string>) => {
    const gate = await start(['-listen', '127.0.0.1:0', '-provider', 'test'], { VAULT_TOKEN: root(), ...env })
    return ((await (await token(gate.address, 't1')).json()) as { vault_addr: string }).vault_addr
  }
  expect(await told({})).toBe(`${stack.vault.address}/`)
  const WRIT_GATE_VAULT_PUBLIC_ADDR = 'https://vault.example:8200'
  expect(await told({ WRIT_GATE_VAULT_PUBLIC_ADDR })).toBe('https://vault.example:8200/')
})

test('the status while sealed comes from the environment too', async () => {
  const gate = await start(['-listen', '127.0.0.1:0', '-provider', 'test'], { SEAL_HTTP_STATUS: '429' })
  const answer = await fetch(`${gate.address}/status.json`)
  expect(answer.status).toBe(429)
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const status = { status: 'Sealed', reason: expect.stringContaining('nothing to log in'), version }
  expect(await answer.json()).toMatchObject(status)
})

test('a bad credential at start: it serves, sealed, and says why', async () => {
  const gate = await start(['-listen', '127.0.0.1:0', '-provider', 'test'], { WRAPPED_TOKEN_AUTH: 'canary' })
  const status = (await (await fetch(`${gate.address}/status.json`)).json()) as { phase: string; reason: string }
  expect(status).toMatchObject({ phase: 'sealed', reason: expect.stringContaining('wrapped-token failed') })
  expect(JSON.stringify(status) + gate.lines()).not.toContain('canary')
})

test('every mistake at once, without any value', async () => {
  const output = await refused(['-nonsense', 'x', '-task-life', 'canary'], {
    PEERS: 'canary',
    TLS_CERT: '/nowhere',
    USAGE_STORE: 'vault',
    SEAL_HTTP_STATUS: 'canary',
  })
  for (const name of ['-nonsense', '-task-life', 'PEERS', 'TLS_CERT', 'USAGE_STORE', 'SEAL_HTTP_STATUS']) {
    expect(output).toContain(`- ${name} `)
  }
  expect(output).not.toContain('canary')
  expect(await refused(['-provider', 'bogus', '-listen', '127.0.0.1:0'])).toContain('"bogus" is not one of')
  expect(await refused(['-mesos', 'ftp://canary', '-listen', '127.0.0.1:0'])).toMatch(/mesos.* is not http/)
  const dcos = ['--schedulers', 'dcosee-mesos', '--dcos-privatekey', '/nowhere']
  expect(await refused([...dcos, '--mesos-skipverify'])).toContain('- -mesos-skipverify is refused')
  expect(await refused([...dcos, '--mesos-master', 'http://leader.mesos:5050'])).toContain(
    'needs MESOS_MASTER with https',
  )
  expect(await refused([...dcos, '--mesos-master', 'https://leader.mesos:5050'])).toContain('needs an RSA key')
})

test('an address that is taken: it ends', async () => {
  const first = await start(['-listen', '127.0.0.1:0', '-provider', 'test'])
  const child = spawnGate(['-listen', new URL(first.address).host, '-provider', 'test'], {})
  const output = text(child.stderr ?? expect.fail())
  expect(await new Promise(done => child.once('exit', done))).toBeGreaterThan(0)
  expect(await output).toContain('EADDRINUSE')
})

test('SIGHUP without TLS ends nothing', async () => {
  const gate = await start(['-listen', '127.0.0.1:0', '-provider', 'test'])
  gate.child.kill('SIGHUP')
  await expect.poll(gate.lines).toContain('there is no certificate to read again')
  expect((await fetch(`${gate.address}/status.json`)).status).toBe(200)
})

test('Vault over TLS: by its authority, by a folder of them, by none, and by anybody', async () => {
  const [pair, other] = [selfSigned(), selfSigned()]
  const dev = await startDevVault({ tls: pair })
  await dev.write('secret/data/gatekeeper', { data: { '*': { policies: ['default'] } } })
  const authorities = join(folder, 'authorities')
  mkdirSync(authorities)
  const [ca, wrong] = [join(authorities, 'ca.pem'), join(folder, 'wrong.pem')]
  writeFileSync(ca, pair.cert)
  writeFileSync(wrong, other.cert)
  const state = async (...args: string[]) => {
    const env = { VAULT_ADDR: dev.address, VAULT_TOKEN: dev.rootToken }
    const gate = await startGate(['-listen', '127.0.0.1:0', '-provider', 'test', ...args], env)
    const { status } = (await (await fetch(`${gate.address}/status.json`)).json()) as { status: string }
    return [status, gate.lines().includes('VAULT_SKIP_VERIFY')]
  }
  try {
    expect(await state()).toEqual(['Sealed', false])
    expect(await state('-ca-cert', wrong)).toEqual(['Sealed', false])
    expect(await state('-ca-cert', ca)).toEqual(['Unsealed', false])
    expect(await state('-ca-path', authorities)).toEqual(['Unsealed', false])
    // the folder comes first
    expect(await state('-ca-cert', wrong, '-ca-path', authorities)).toEqual(['Unsealed', false])
    expect(await state('-tls-skip-verify')).toEqual(['Unsealed', true])
  } finally {
    await dev.close()
  }
}, 60_000)

test('help shows every flag and no credential of the environment', async () => {
  const child = spawnGate(['--help'], { VAULT_TOKEN: 'canary', MESOS_MASTER: 'x' })
  const output = await text(child.stdout ?? expect.fail())
  for (const flag of ['-listen', '-auth-appid', '-task-grace', '-self-recreate-token', 'DOCKER_PROVIDER']) {
    expect(output).toContain(flag)
  }
  expect(output).not.toContain('canary')
})

test('TLS only, and another certificate after SIGHUP; one that is none leaves the old', async () => {
  const [first, second] = [selfSigned(), selfSigned()]
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const put = (pair: { cert: string; key: string }) => {
    writeFileSync(cert, pair.cert)
    writeFileSync(key, pair.key)
  }
  put(first)
  const gate = await start(['-listen', '127.0.0.1:0', '-provider', 'test', '-tls-cert', cert, '-tls-key', key])
  const { port } = new URL(gate.address)
  const shown = async () =>
    await new Promise<string>((done, failed) => {
      const socket = connectTls({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false }, () => {
        done(socket.getPeerX509Certificate()?.toString().trim() ?? '')
        socket.destroy()
      }).once('error', failed)
    })
  expect(await shown()).toBe(first.cert.trim())
  put(second)
  gate.child.kill('SIGHUP')
  await expect.poll(shown).toBe(second.cert.trim())
  put({ cert: 'none', key: 'none' })
  gate.child.kill('SIGHUP')
  await expect.poll(() => gate.lines()).toContain('the old certificate stays')
  expect(await shown()).toBe(second.cert.trim())
  expect(gate.address).toMatch(/^https:/)
})

test('over a Unix socket too', async () => {
  const socket = join(folder, 'gate.sock')
  const gate = await start(['-listen', socket, '-provider', 'test'], { VAULT_TOKEN: root() })
  expect(gate.address).toBe('')
  const client = connect(socket)
  const body = '{"task_id":"t1"}'
  client.write(`POST /token HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  expect(await text(client)).toContain('"ok":true')
})

test('who is slow to send is not waited for for ever', async () => {
  const gate = await start(['-listen', '127.0.0.1:0', '-provider', 'test'], { VAULT_TOKEN: root() })
  const { port } = new URL(gate.address)
  const sockets = Array.from({ length: 50 }, () => connect(Number(port), '127.0.0.1'))
  for (const socket of sockets)
    socket.on('error', () => {}).write('POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
  expect((await token(gate.address, 't1')).status).toBe(200)
  for (const socket of sockets) socket.destroy()
})

test('idle, it is small', async () => {
  const gate = await start(['-listen', '127.0.0.1:0', '-provider', 'test'], { VAULT_TOKEN: root() })
  expect((await token(gate.address, 't1')).status).toBe(200)
  const status = readFileSync(`/proc/${gate.child.pid}/status`, 'utf8')
  // run from source, with the compiler of types inside; the built one is measured by the benchmark
  expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(200_000)
})

test('a socket: left over it is replaced, with a living gate behind it, or when it is something else, it is not', async () => {
  const socket = join(folder, 'once.sock')
  const first = await start(['-listen', '127.0.0.1:0', '-provider', 'test', '-socket', socket])
  expect(statSync(socket).mode & 0o777).toBe(0o666)
  expect(await refused(['-listen', '127.0.0.1:0', '-provider', 'test', '-socket', socket])).toContain('another gate')
  expect(existsSync(socket)).toBe(true)
  first.child.kill('SIGKILL')
  await new Promise(done => first.child.once('close', done))
  expect(existsSync(socket)).toBe(true)
  await start(['-listen', '127.0.0.1:0', '-provider', 'test', '-socket', socket])

  const file = join(folder, 'precious')
  writeFileSync(file, 'not a socket')
  expect(await refused(['-listen', '127.0.0.1:0', '-provider', 'test', '-socket', file])).toContain('no socket')
  expect(readFileSync(file, 'utf8')).toBe('not a socket')
})
