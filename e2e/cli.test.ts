import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../src/vault/secret.ts'
import { lookupSelf } from '../src/vault/token.ts'
import { SlowVault } from '../test/slow-vault.ts'
import { Terminal } from './command.ts'
import { Courier } from './recording-courier.ts'
import { type ServerProcess, type Stack, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess
let terminal: Terminal

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  terminal = await Terminal.open(stack.environment(server.address))
})
afterAll(() => stack.close())

const accessors = async () => {
  const listed = await stack.vault.send({ method: 'LIST', path: 'auth/token/accessors/', token: stack.root })
  return new Set((listed?.data?.keys ?? []) as string[])
}

const run = (...command: string[]) => terminal.writ('run', '--image', stack.image, '--', ...command)

test('run: the output on its own streams, progress on standard error, the exit code of the job', async () => {
  const { code, stdout, stderr } = await run('sh', '-c', 'echo out; echo err >&2; exit 42')
  expect(code).toBe(42)
  expect(stdout).toBe('out\n')
  expect(stderr).toMatch(/^▸ job [0-9a-f]{24} queued\n(err\n)?▸? ?.*/)
  expect(stderr).toContain('err\n')
  expect(stderr).toMatch(/failed, code 42\n$/)
})

test('run --json: one line', async () => {
  const { code, stdout } = await terminal.writ('run', '--json', '--image', stack.image, '--', 'true')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ status: 'success', return_code: 0 })
})

test('options after -- belong to the command', async () => {
  const { stdout } = await run('echo', '--json', '--image', 'x')
  expect(stdout).toBe('--json --image x\n')
})

test('a job that does not run: 125 and why', async () => {
  const { code, stderr } = await terminal.writ(
    'run',
    '--image',
    stack.image,
    '--secret-ref',
    'A@secret/data/none.x',
    '--',
    'true',
  )
  expect(code).toBe(125)
  expect(stderr).toContain('secret_not_found')
})

test('a job that is refused: 1, the reason and what to do', async () => {
  const { code, stderr } = await terminal.writ('run', '--image', stack.image, '--secret-ref', 'nonsense', '--', 'true')
  expect(code).toBe(1)
  expect(stderr).toMatch(/secret ref unparseable.*\(secret_ref_invalid\)\nnext: Write NAME@path\.key/)
})

test('submit, get, ls, logs, kill, rm', async () => {
  const submitted = await terminal.writ(
    'submit',
    '--queue',
    'Tasks',
    '--image',
    stack.image,
    '--',
    'sh',
    '-c',
    'echo up; sleep 60',
  )
  const id = submitted.stdout.trim()
  expect(id).toMatch(/^[0-9a-f]{24}$/)
  await until(async () => (await terminal.writ('logs', id)).stdout === 'up\n')
  const got = JSON.parse((await terminal.writ('get', id, '--json')).stdout)
  expect(got).toMatchObject({ _id: id, status: 'running', qname: 'tasks' })
  expect((await terminal.writ('get', id)).stdout).toMatch(/^status\trunning$/m)
  expect((await terminal.writ('ls')).stdout).toMatch(new RegExp(`^${id}\trunning\t0\ttasks\t`, 'm'))
  expect((await terminal.writ('kill', id)).code).toBe(0)
  const logs = await terminal.writ('logs', '-f', id)
  expect(logs).toMatchObject({ code: 143, stdout: 'up\n' })
  expect((await terminal.writ('rm', id)).code).toBe(0)
  expect(await terminal.writ('get', id)).toMatchObject({ code: 1, stdout: '' })
})

test('audit: the whole story of a job, and a chain that can be checked', async () => {
  const { stdout } = await terminal.writ(
    'run',
    '--json',
    '--image',
    stack.image,
    '--secret-ref',
    'N@secret/data/hello.name',
    '--',
    'true',
  )
  const id = JSON.parse(stdout)._id
  await untilEnded(stack, stack.client(server.address), id)
  const auditor = await Terminal.open({ DATABASE_URL: stack.database.url })
  const shown = await auditor.writ('audit', 'show', id, '--json')
  expect(JSON.parse(shown.stdout).map((entry: { action: string }) => entry.action)).toEqual([
    'job.submitted',
    'job.secret_read',
    'job.starting',
    'job.ended',
    'job.container_removed',
    'job.token_revoked',
  ])
  expect((await auditor.writ('audit', 'show', id)).stdout).toMatch(
    /\tjob\.secret_read\t.*\{"path":"secret\/data\/hello","names":\["N"\]\}/,
  )
  expect(await auditor.writ('audit', 'verify')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^whole: \d+ entries/),
  })
  await sql`alter table audit disable trigger audit_append_only`.execute(stack.db)
  await sql`update audit set entry = replace(entry, 'hello', 'other') where job_id = ${id}`.execute(stack.db)
  await sql`alter table audit enable trigger audit_append_only`.execute(stack.db)
  expect(await auditor.writ('audit', 'verify')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^BROKEN at entry \d+/),
  })
})

test('kill and rm of several: one that fails keeps no other one back', async () => {
  const { stdout } = await terminal.writ('submit', '--image', stack.image, '--', 'sleep', '60')
  const id = stdout.trim()
  const killed = await terminal.writ('kill', 'f'.repeat(24), id)
  expect(killed).toMatchObject({ code: 1, stderr: expect.stringMatching(/writ: .*job_not_found.*\nnext: .*\n▸ job/s) })
  await untilEnded(stack, stack.client(server.address), id)
  const removed = await terminal.writ('rm', '--json', 'f'.repeat(24), id)
  expect(removed).toMatchObject({ code: 1, stdout: `{"_id":"${id}"}\n` })
})

test('SIGTERM: it leaves, the job goes on, and no token is left over', async () => {
  const courier = await Courier.to(server.address)
  const args = ['run', '--server', courier.address, '--image', stack.image, '--', 'sleep', '60']
  const { code, stderr } = await terminal.run('writ', args, text => (text.includes('queued') ? 'SIGTERM' : undefined))
  await courier.close()
  expect(code).toBe(143)
  const [, id = ''] = /job ([0-9a-f]{24}) queued/.exec(stderr) ?? []
  expect(await terminal.writ('kill', id)).toMatchObject({ code: 0 })
  const token = new Secret(courier.requests[0]?.token ?? '')
  await expect(lookupSelf(stack.vault, token)).rejects.toMatchObject({ kind: 'denied' })
})

test.each([
  ['submit', 'SIGINT', 130],
  ['submit', 'SIGTERM', 143],
  ['run', 'SIGINT', 130],
  ['run', 'SIGTERM', 143],
] as const)('%s: %s while it seals leaves no token over, and nothing behind', async (command, signal, code) => {
  const slow = await SlowVault.before(stack.vault.address)
  const { held, release } = slow.hold(/encrypt/)
  const before = await accessors()
  const other = await Terminal.open({ ...stack.environment(server.address), VAULT_ADDR: slow.address })
  const args = [command, '--queue', 'given-up', '--image', stack.image, '--', 'true']
  const ended = other.run(
    'writ',
    args,
    undefined,
    held.then(() => signal),
  )
  await held
  setTimeout(release, 500)
  expect(await ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(/^▸ .*writ ls/) })
  // the authority is wrapped, and nobody but the server opens it: it ends by itself
  // of those that were there before, some may have ended meanwhile
  expect([...(await accessors())].filter(one => !before.has(one))).toHaveLength(1)
  expect((await terminal.writ('ls', '--json', '--queue', 'given-up')).stdout).toContain('"data":[]')
  await slow.close()
})

test('a Vault whose answers do not end holds nobody up who wants to leave', async () => {
  const slow = await SlowVault.before(stack.vault.address)
  const { held } = slow.hold(/encrypt/)
  const other = await Terminal.open({ ...stack.environment(server.address), VAULT_ADDR: slow.address })
  const ending = held.then(() => {
    slow.drip()
    return 'SIGINT' as const
  })
  expect(await other.run('writ', ['submit', '--image', stack.image, '--', 'true'], undefined, ending)).toMatchObject({
    code: 130,
  })
  await slow.close()
})

test('Ctrl-C kills the job', async () => {
  const args = ['run', '--image', stack.image, '--', 'sh', '-c', 'echo up; sleep 60']
  const { code, stderr } = await terminal.run('writ', args, text => (text === 'up\n' ? 'SIGINT' : undefined))
  expect(stderr).toContain('killing job')
  expect(code).toBe(143)
})

test('courier fields show', async () => {
  const { stdout } = await terminal.writ('submit', '--json', '--direct', '--image', stack.image, '--', 'true')
  expect(JSON.parse(stdout)).toMatchObject({ status: 'queued', ignored_fields: [] })
})

test('nothing is set: everything that is missing, and where to begin', async () => {
  const bare = await Terminal.open({})
  const { code, stderr } = await bare.writ('ls')
  expect(code).toBe(2)
  for (const name of ['WRIT_ADDR', 'VAULT_ADDR', 'VAULT_TOKEN', 'writ dev']) expect(stderr).toContain(name)
  expect(stderr).not.toMatch(/^\s+at /m)
})

test('no server, no Vault, a wrong token: a sentence each, no stack trace', async () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ WRIT_ADDR: 'http://127.0.0.1:1' }, /no answer from http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/],
    [{ VAULT_ADDR: 'http://127.0.0.1:1' }, /Vault did not answer/],
    [{ VAULT_TOKEN: 's.wrong' }, /Vault 403/],
    [
      { WRIT_ADDR: stack.vault.address },
      /HTTP 40\d \(http_40\d\)\nnext: Check that this is the address of a writ server/,
    ],
  ]
  for (const [change, message] of cases) {
    const other = await Terminal.open({ ...stack.environment(server.address), ...change })
    const { code, stderr } = await other.writ('run', '--image', stack.image, '--', 'true')
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/^\s+at /m)
  }
})

test('a server without its settings: every problem at once', async () => {
  const bare = await Terminal.open({ WRIT_PORT: 'many', WRIT_LISTEN_HOST: '0.0.0.0' })
  const { code, stderr } = await bare.writ('server')
  expect(code).toBe(2)
  for (const name of ['DATABASE_URL', 'VAULT_ADDR', 'WRIT_PORT', 'WRIT_LISTEN_HOST', 'WRIT_JOB_ROLE_ID'])
    expect(stderr).toContain(name)
})

test('vault-setup prints commands, and --apply twice changes nothing the second time', async () => {
  const printed = await terminal.writ('vault-setup', '--job-secret', 'secret/data/app/*')
  expect(printed.stdout).toContain('vault policy write writ-job')
  expect(printed.stdout).toContain('path "secret/data/app/*"')
  const admin = await Terminal.open({ VAULT_ADDR: stack.vault.address, VAULT_TOKEN: stack.root.reveal() })
  const first = await admin.writ('vault-setup', '--apply', '--json', '--job-role', 'other-job')
  const second = await admin.writ('vault-setup', '--apply', '--json', '--job-role', 'other-job')
  expect(first.code).toBe(0)
  expect(JSON.parse(second.stdout)).toEqual(JSON.parse(first.stdout))
})

test.each([
  ...['a;touch evil', 'a b', '$(touch evil)', '-f', '../evil', '.', 'a/b', ''].map(name => ['--job-role', name]),
  ...['a"b', 'a\\b', 'a\nEOF\ntouch evil', 'secret/${x', ''].map(path => ['--job-secret', path]),
  ...['a"b', 'secret/a\nEOF\ntouch evil', ''].map(path => ['--gate', path]),
])('vault-setup %s %j: nothing is printed that a shell or Vault would take for something else', async (...args) => {
  const { code, stdout, stderr } = await terminal.writ('vault-setup', ...args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^writ: --[a-z-]+ is no (name|path)[^\n]*\nnext: /)
})

test('vault-setup --database-creds: one line more in the policy of the server, and no other path', async () => {
  const { stdout } = await terminal.writ('vault-setup', '--database-creds', 'database/creds/writ')
  expect(stdout).toMatch(
    /policy write writ-server[\s\S]*path "database\/creds\/writ" \{\n {2}capabilities = \["read"\]/,
  )
  expect((await terminal.writ('vault-setup')).stdout).not.toContain('database')
  for (const path of ['database/creds/*', 'a" {}', '/database/creds/writ']) {
    const { code, stderr } = await terminal.writ('vault-setup', '--database-creds', path)
    expect(code).toBe(2)
    expect(stderr).toContain('is no path in Vault')
  }
  const gate = await terminal.writ('vault-setup', '--gate', '--database-creds', 'database/creds/writ')
  expect(gate.stdout).toMatch(
    /policy write writ-gate[\s\S]*path "database\/creds\/writ" \{\n {2}capabilities = \["read"\]/,
  )
  expect((await terminal.writ('vault-setup', '--gate')).stdout).not.toContain('database')
})

test('dev --json: one line when all is ready, with what a script needs, and a clean end', async () => {
  const lines: string[] = []
  const { code } = await terminal.run('writ', ['dev', '--json', '--port', '0'], text => {
    lines.push(text)
    return text.includes('"server"') ? 'SIGTERM' : undefined
  })
  expect(code).toBe(0)
  const ready = JSON.parse(lines.find(line => line.includes('"server"')) ?? '{}')
  expect(Object.keys(ready).sort()).toEqual(
    [
      'database_url',
      'job_role',
      'job_role_id',
      'node',
      'requestor_token',
      'server',
      'server_role_id',
      'vault',
      'vault_root_token',
    ].sort(),
  )
})
