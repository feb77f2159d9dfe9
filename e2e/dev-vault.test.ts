import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { selfSigned } from '../test/certificate.ts'
import { Terminal } from './command.ts'

let folder: string
let terminal: Terminal
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-dev-vault-test-'))
  terminal = await Terminal.open({})
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

interface Ready {
  readonly vault: string
  readonly root_token: string
  readonly ca_cert?: string
  end(signal?: NodeJS.Signals): Promise<number | null>
}

/** A running `writ dev-vault`; it ends with the test. */
async function start(...args: string[]): Promise<Ready> {
  const command = ['src/cli/main.ts', 'dev-vault', '--json', '--listen', '127.0.0.1:0', ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const end = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return (await closed)[0] as number | null
  }
  onTestFinished(async () => void (await end()))
  const lines = createInterface(child.stdout)
  const [line] = (await Promise.race([once(lines, 'line'), closed])) as [string]
  return { ...(JSON.parse(line) as Omit<Ready, 'end'>), end }
}

async function read({ vault, root_token }: Ready, path: string): Promise<unknown> {
  const answer = await fetch(`${vault}/v1/${path}`, { headers: { 'x-vault-token': root_token } })
  return ((await answer.json()) as { data: unknown }).data
}

/** The status of its health, with this certificate as the only one that is trusted. */
function healthOverTls(vault: string, ca: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(`${vault}/v1/sys/health`, { ca, agent: false }, answer => resolve(answer.statusCode))
    outgoing.on('error', reject).end()
  })
}

describe('a seed', () => {
  test('is there when the command says that it is ready', async () => {
    const seed = await file(
      'seed.yaml',
      'policies: {app: \'path "secret/*" { capabilities = ["read"] }\'}\nsecrets: {secret/app: {user: ann}}\n',
    )
    const vault = await start('--seed', seed)
    expect(await read(vault, 'secret/data/app')).toMatchObject({ data: { user: 'ann' } })
    expect(await read(vault, 'sys/policies/acl/app')).toMatchObject({ name: 'app' })
  })

  test('with mistakes starts nothing: all of them, each with its line, and 2', async () => {
    const seed = await file('wrong.yaml', 'auth: approle\nsecrets:\n  nowhere/a: {b: c}\n')
    const { code, stdout, stderr } = await terminal.writ('dev-vault', '--seed', seed)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(`${seed} has 2 problems:\n  line 1: is not a list\n  line 3: nowhere/a: no kv engine`)
    expect(stderr).toContain('next: docs/dev-vault.md')
  })

  test('that Vault refuses: likewise', async () => {
    const seed = await file(
      'refused.yaml',
      'mounts:\n  - type: kvv\npolicies:\n  p: nonsense\nroles:\n  approle/app: {token_ttl: soon}\nauth: [{type: approle}]\n',
    )
    const { code, stderr } = await terminal.writ('dev-vault', '--listen', '127.0.0.1:0', '--seed', seed)
    expect(code).toBe(2)
    expect(stderr).toContain('has 3 problems')
    expect(stderr).toContain('line 2: sys/mounts/kvv: plugin not found in the catalog: kvv')
    expect(stderr).toMatch(/line 4: sys\/policies\/acl\/p: .+\n {2}line 6: auth\/approle\/role\/app: .*soon/)
  })

  test('that is not there: 2', async () => {
    const { code, stderr } = await terminal.writ('dev-vault', '--seed', '/nonexistent.yaml')
    expect({ code, stderr }).toEqual({ code: 2, stderr: 'writ: /nonexistent.yaml cannot be read: ENOENT\n' })
  })
})

describe('TLS', () => {
  test('with a certificate of the run, which goes away with it; its key is not left on the disk', async () => {
    const { vault, ca_cert: ca = '', end } = await start('--tls')
    expect(vault).toMatch(/^https:/)
    expect(readFileSync(ca, 'utf8')).not.toContain('PRIVATE KEY')
    expect(existsSync(join(ca, '../key.pem'))).toBe(false)
    expect(statSync(join(ca, '..')).mode & 0o077).toBe(0)
    expect(await healthOverTls(vault, readFileSync(ca, 'utf8'))).toBe(200)
    await expect(healthOverTls(vault, selfSigned().cert)).rejects.toThrow(/self-signed/)
    expect(await end()).toBe(0)
    expect(existsSync(ca)).toBe(false)
  })

  test("with one's own", async () => {
    const { cert, key } = selfSigned()
    const ready = await start('--tls-cert', await file('cert.pem', cert), '--tls-key', await file('key.pem', key))
    expect(ready.ca_cert).toBeUndefined()
    expect(await healthOverTls(ready.vault, cert)).toBe(200)
  })

  test('without openssl: 2, and what else one can do', async () => {
    const bare = await Terminal.open({ PATH: '/nonexistent' })
    const { code, stderr } = await bare.run(process.execPath, ['src/cli/main.ts', 'dev-vault', '--tls'].map(absolute))
    expect(code).toBe(2)
    expect(stderr).toBe(
      'writ: --tls makes a certificate with openssl, which is not installed\n' +
        'next: Install openssl, or give a pair of your own: --tls-cert FILE --tls-key FILE.\n',
    )
  })

  test.each([
    ['half a pair', ['--tls-cert', 'x'], /go together/],
    ['files that are not there', ['--tls-cert', 'x', '--tls-key', 'y'], /x cannot be read: ENOENT/],
    ['files of something else', ['--tls-cert', '/etc/hostname', '--tls-key', '/etc/hostname'], /cannot be used/],
  ])('with %s: 2', async (_, args, message) => {
    const { code, stderr } = await terminal.writ('dev-vault', '--listen', '127.0.0.1:0', ...args)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})

function absolute(arg: string): string {
  return arg.startsWith('src/') ? join(import.meta.dirname, '..', arg) : arg
}

describe('listening', () => {
  test('for other machines only when asked to', async () => {
    const { code, stderr } = await terminal.writ('dev-vault', '--listen', '0.0.0.0:0')
    expect(code).toBe(2)
    expect(stderr).toContain('--allow-remote')
    const { vault } = await start('--listen', '0.0.0.0:0', '--allow-remote')
    expect((await fetch(`${vault}/v1/sys/health`)).status).toBe(200)
  })

  test('on a port that is taken: 2, and how to take a free one', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    const { code, stderr } = await terminal.writ('dev-vault', '--listen', `127.0.0.1:${port}`)
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `writ: port ${port} is taken\nnext: --listen 127.0.0.1:0 takes a free one.\n`,
    })
  })

  test('says that it is not for production, and prints what a shell can evaluate, whatever the token is', async () => {
    const args = ['dev-vault', '--listen', '127.0.0.1:0', '--root-token', "it's $(a) token"]
    let lines = ''
    const { stdout, stderr, code } = await terminal.run('writ', args, text => {
      lines += text
      return lines.includes('VAULT_TOKEN') && lines.includes('production') ? 'SIGTERM' : undefined
    })
    expect(code).toBe(0)
    expect(stderr).toContain('in memory and gone at the end: for trying and testing, never for production')
    expect((await terminal.shell(`${stdout}\nprintf %s "$VAULT_TOKEN"`)).stdout).toBe("it's $(a) token")
  })
})

test('docs/dev-vault.md: every command works, with the seed that it shows', async () => {
  const page = readFileSync('docs/dev-vault.md', 'utf8')
  const blocks = (language: string) =>
    [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, found]) => found === language).map(([, , text]) => text)
  expect([blocks('yaml').length, blocks('sh').length]).toEqual([1, 2])
  const seed = await file('docs.yaml', String(blocks('yaml')[0]))
  const { code, stdout, stderr } = await terminal.shell(`cp ${seed} seed.yaml\n${blocks('sh').join('\n')}`)
  expect(code, stderr).toBe(0)
  expect(stdout).toContain('correct-horse')
  expect(stdout).toContain('"token_policies":["app","default"]')
})
