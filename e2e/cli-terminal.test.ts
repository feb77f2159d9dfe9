import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Terminal } from './command.ts'
import { type ServerProcess, type Stack, startStack } from './stack.ts'

let stack: Stack
let server: ServerProcess
let environment: Record<string, string>
let terminal: Terminal

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  environment = { VAULT_TOKEN: stack.identities.requestorToken.reveal() }
  terminal = await Terminal.open({ ...environment, WRIT_ADDR: server.address, VAULT_ADDR: stack.vault.address })
})
afterAll(() => stack.close())

/** Runs it on a terminal of its own. */
const onTerminal = (command: string, env = '') =>
  terminal.shell(`${env} script -qec 'stty cols 200; ${command}' /dev/null < /dev/null`)

test('a terminal shows what is waited for; a pipe gets nothing but what happened', async () => {
  const job = `writ run --queue busy --image ${stack.image} --`
  await terminal.shell(`writ submit --queue busy --image ${stack.image} -- sleep 4`)
  const { stdout } = await onTerminal(`${job} sh -c "sleep 2; echo out"`)
  expect(stdout).toMatch(/\r\x1b\[K.*▸ waiting in queue busy 0:0\d/)
  expect(stdout).toMatch(/▸ running 0:0\d.*\r\x1b\[Kout\r\n/s)
  expect(stdout.slice(stdout.indexOf('out\r\n'))).not.toContain('running')
  const piped = await terminal.shell(`${job} echo out`)
  expect(piped.stdout).toBe('out\n')
  expect(piped.stderr).toMatch(/^▸ job [0-9a-f]{24} queued in busy\n▸ job [0-9a-f]{24} success, code 0\n$/)
})

test('tables: header and columns on a terminal, no colour with NO_COLOR, no escape in a pipe', async () => {
  const { stdout } = await onTerminal('writ ls')
  expect(stdout).toMatch(/^ID +STATUS +CODE +QUEUE +IMAGE +SUBMITTED\r\n[0-9a-f]{24} {2}\w+ +\d+ +busy +/)
  const progress = `writ submit --image ${stack.image} -- true; writ ls --limit 1`
  expect((await onTerminal(progress, 'TERM=xterm FORCE_COLOR=')).stdout).toContain('\x1b[2m')
  expect((await onTerminal(progress, 'TERM=xterm NO_COLOR=1')).stdout).not.toContain('\x1b[')
  const piped = await terminal.shell(`{ ${progress}; writ doctor || true; } 2>&1`)
  expect(piped.stdout).not.toContain('\x1b')
})

test('the configuration file is enough; the environment counts more, a flag most', async () => {
  const home = await Terminal.open({ ...environment, WRIT_CONFIG: 'mine.yaml' })
  const file = join(home.folder, 'mine.yaml')
  const text = `server: ${server.address}\nvault: ${stack.vault.address}\nqueue: from-file\n`
  writeFileSync(file, text, { mode: 0o600 })
  const queueOf = async (env: string, ...options: string[]) => {
    const command = ['writ submit --json --image', stack.image, ...options, '-- true'].join(' ')
    return JSON.parse((await home.shell(`${env} ${command}`)).stdout).qname
  }
  expect(await queueOf('')).toBe('from-file')
  expect(await queueOf('WRIT_QUEUE=from-env')).toBe('from-env')
  expect(await queueOf('WRIT_QUEUE=from-env', '--queue', 'from-flag')).toBe('from-flag')
  expect(await queueOf('', '--queue', "''")).toBe('')
  expect(await home.shell('WRIT_ADDR=http://127.0.0.1:1 writ ls')).toMatchObject({ code: 1 })
  expect(await home.shell(`WRIT_ADDR=http://127.0.0.1:1 writ ls --server ${server.address}`)).toMatchObject({ code: 0 })
  expect(await home.shell('writ watch ls')).toMatchObject({ code: 0 })
  expect(await home.shell('WRIT_CONFIG= writ ls')).toMatchObject({ code: 2 })
  writeFileSync(file, `${text}token: ${environment.VAULT_TOKEN}\n`)
  const refused = await home.writ('ls')
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/token has no place in a file\nnext: /) })
  expect(refused.stderr).not.toContain(environment.VAULT_TOKEN)
})

test('~/.config/writ/config.yaml is read without being named, and one that others can write to is not', async () => {
  const home = await Terminal.open(environment)
  await home.shell(`mkdir -p .config/writ && umask 077 && cat > .config/writ/config.yaml <<'END'
server: ${server.address}
vault: ${stack.vault.address}
END`)
  expect(await home.writ('ls', '--json')).toMatchObject({ code: 0 })
  expect(await home.shell('chmod 666 .config/writ/config.yaml; writ ls')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/can be changed by others than you\nnext: chown .* chmod 600/),
  })
})

test('nobody reads what is going on: the job is followed all the same, and its code is kept', async () => {
  const job = `writ run --image ${stack.image} -- sh -c "sleep 1; head -c 300000 /dev/zero >&2; exit 3"`
  const { stdout } = await terminal.shell(`{ ${job} 2>&1 >/dev/null || echo $? > code; } | true; cat code`)
  expect(stdout).toBe('3\n')
})

test('results that cannot be written: an error like any other', async () => {
  const { code, stderr } = await terminal.shell('writ ls --json > /dev/full')
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^writ: ENOSPC.*\n$/) })
})

test.each(['INT', 'TERM'])('writ dev that is told to end by %s while it starts leaves nothing behind', async signal => {
  const start = 'chmod 755 .; mkdir -m 755 tmp-SIG; TMPDIR=$PWD/tmp-SIG writ dev --quiet --port 0 2>&1 & pid=$!'
  const wait = 'until ls tmp-SIG/writ-*/postgres.log >/dev/null 2>&1; do sleep 0.02; done'
  const end = `kill -${signal} $pid; wait $pid || true; ls tmp-SIG; pgrep -f $PWD/tmp-SIG/ || true`
  const { code, stdout, stderr } = await terminal.shell([start, wait, end].join('\n').replaceAll('SIG', signal))
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('a HOME that is empty or relative: no configuration and no token are taken from the folder that one happens to be in', async () => {
  const trap = await Terminal.open({})
  mkdirSync(join(trap.folder, '.config/writ'), { recursive: true })
  writeFileSync(
    join(trap.folder, '.config/writ/config.yaml'),
    'server: http://127.0.0.1:1\nvault: http://127.0.0.1:1\n',
  )
  writeFileSync(join(trap.folder, '.vault-token'), 's.somebodyelses')
  for (const home of ['', '.', './']) {
    const { code, stderr } = await trap.run('env', [`HOME=${home}`, 'writ', 'ls'])
    expect({ home, code }).toEqual({ home, code: 2 })
    for (const name of ['WRIT_ADDR', 'VAULT_ADDR', 'VAULT_TOKEN']) expect(stderr).toContain(`${name} is not set`)
  }
})

test.each([
  ['WRIT_ADDR=localhost:3232 writ ls', 'WRIT_ADDR'],
  ['VAULT_ADDR=localhost:8200 writ ls', 'VAULT_ADDR'],
  ['VAULT_ADDR=ftp://x writ vault-setup --apply', 'VAULT_ADDR'],
  ['writ ls --server writ.example.com', '--server'],
  ['writ watch ls --server http://', '--server'],
  ['GATEKEEPER_ADDR=localhost:9201 writ status', 'GATEKEEPER_ADDR'],
  ['writ status --gate foo', '--gate'],
])('%s: says which address is none, and how one is written', async (command, name) => {
  const { code, stderr } = await terminal.shell(`${command} || exit $?`)
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `writ: ${name} is no address\nnext: Write it as https://host:port, or http:// where there is no TLS.\n`,
  })
})

test('GATEKEEPER_ADDR set to nothing is not set', async () => {
  const { code, stderr } = await terminal.shell('GATEKEEPER_ADDR= writ status || exit $?')
  expect(code).toBe(1)
  expect(stderr).toMatch(/does not answer \(ECONNREFUSED\)/)
})
