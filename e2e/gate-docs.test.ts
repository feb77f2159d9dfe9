import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../src/vault/secret.ts'
import { lookupSelf } from '../src/vault/token.ts'
import { startGateApp } from '../test/gate-app.ts'
import { Terminal } from './command.ts'

const BLOCKS = [...readFileSync('docs/gate.md', 'utf8').matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(
  ([, , code = '']) => code,
)
const block = (containing: string) => BLOCKS.find(code => code.includes(containing)) ?? ''

let stack: Awaited<ReturnType<typeof startGateApp>>
let terminal: Terminal
beforeAll(async () => {
  stack = await startGateApp({})
  await stack.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = stack.app.server.address() as AddressInfo
  terminal = await Terminal.open({
    GATEKEEPER_ADDR: `http://127.0.0.1:${port}`,
    VAULT_ADDR: stack.bench.stack.vault.address,
    VAULT_TOKEN: stack.bench.stack.root.reveal(),
    MESOS_TASK_ID: 'a-task-of-mesos',
  })
})
afterAll(() => stack.close())

test('each command of docs/gate.md is known here', () => {
  const commands = BLOCKS.flatMap(code => code.split('\n')).filter(line => /^(writ|vault|export) /.test(line))
  expect(commands).toHaveLength(8)
})

test('the gate starts as it says, sealed, and listens where it is told', async () => {
  const script = block('writ gate').replaceAll('127.0.0.1:9201', '127.0.0.1:0').replace('writ gate', 'exec writ gate')
  let log = ''
  const { code } = await terminal.run('bash', ['-c', `unset VAULT_TOKEN\n${script}`], text => {
    log += text
    return log.includes('gate listening') ? 'SIGTERM' : undefined
  })
  expect(code, log).toBe(0)
  expect(log).toContain('127.0.0.1')
})

test('the policies are good ones, and the check says which a name gets', async () => {
  const { stdout: home } = await terminal.shell('pwd')
  writeFileSync(join(home.trim(), 'policies.json'), block('"web-*"'))
  const { code, stdout } = await terminal.shell(block('policy check'))
  expect(code).toBe(0)
  expect(stdout).toContain('web-*')
})

test('what the gate needs in Vault is printed, and made', async () => {
  expect((await terminal.shell(block('writ vault-setup --gate\n'))).stdout).toContain('vault policy write writ-gate')
  const [apply = '', write = ''] = block('--gate --apply').trim().split('\n')
  expect(await terminal.shell(apply)).toMatchObject({ code: 0 })
  // what the vault command would send
  const [, path = '', fields = ''] = /^vault write (\S+) (.*)$/.exec(write) ?? []
  const body = Object.fromEntries(fields.split(' ').map(field => field.split('=')))
  const { vault, root } = stack.bench.stack
  await vault.send({ method: 'POST', path, token: root, body })
  const role = await vault.send({ method: 'GET', path, token: root })
  expect(role?.data).toMatchObject({ token_policies: ['writ-gate', 'writ-server'], token_period: 3600 })
})

test('a task asks by its id, and what it got is revoked by the accessor in the log', async () => {
  const { bench } = stack
  bench.scheduler.tasks.set('a-task-of-mesos', {})
  const { code, stdout } = await terminal.shell(block('writ token'))
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S+\n$/) })
  const { accessor } = JSON.parse(bench.lines.find(line => line.includes('token issued')) ?? '{}')
  // what the vault command would send
  expect(block('revoke').trim()).toBe('vault token revoke -accessor "$ACCESSOR"')
  await bench.stack.write('auth/token/revoke-accessor', { accessor })
  await expect(lookupSelf(bench.stack.vault, new Secret(stdout.trim()))).rejects.toMatchObject({ kind: 'denied' })
})
