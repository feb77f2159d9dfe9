import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../src/vault/secret.ts'
import { lookupSelf } from '../src/vault/token.ts'
import { startGateApp } from '../test/gate-app.ts'
import { Terminal } from './command.ts'

let stack: Awaited<ReturnType<typeof startGateApp>>
let terminal: Terminal
beforeAll(async () => {
  stack = await startGateApp({}, { sealed: true })
  await stack.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = stack.app.server.address() as AddressInfo
  terminal = await Terminal.open({
    GATEKEEPER_ADDR: `http://127.0.0.1:${port}`,
    VAULT_ADDR: stack.bench.stack.vault.address,
    VAULT_TOKEN: stack.bench.stack.root.reveal(),
  })
})
afterAll(() => stack.close())

test('status, unseal, token, reload, seal', async () => {
  expect(await terminal.writ('status')).toMatchObject({ code: 1, stdout: expect.stringContaining('Sealed') })
  expect(await terminal.writ('unseal', 'token', 'token=wrong')).toMatchObject({ code: 1 })
  expect(await terminal.writ('unseal', 'token')).toMatchObject({ code: 0 })
  expect(JSON.parse((await terminal.writ('status', '--json')).stdout)).toMatchObject({ status: 'Unsealed' })
  stack.bench.scheduler.tasks.set('t1', {})
  const { code, stdout } = await terminal.writ('token', 't1')
  expect(code).toBe(0)
  const { policies } = await lookupSelf(stack.bench.stack.vault, new Secret(stdout.trim()))
  expect(policies).toEqual(['default'])
  const second = await terminal.writ('token', 't1')
  expect(second).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('already been given a token') })
  expect(await terminal.writ('policy', 'reload')).toMatchObject({ code: 0 })
  expect(await terminal.writ('seal')).toMatchObject({ code: 0 })
  expect(stack.bench.identity.state.sealed).toBe(true)
}, 60_000)

test.each(['MESOS_TASK_ID', 'mesos_task_id'])(
  'the id of a task is what its framework says it is: %s',
  async name => {
    const { stack: vault } = stack.bench
    await stack.bench.identity.unseal({ kind: 'token', token: vault.root })
    stack.bench.scheduler.tasks.set(name, {})
    const { code, stdout } = await terminal.shell(`${name}=${name} writ token`)
    expect(code).toBe(0)
    expect((await lookupSelf(vault.vault, new Secret(stdout.trim()))).policies).toEqual(['default'])
    await stack.bench.identity.seal('by the test')
  },
  60_000,
)

test('unseal: two fields cannot both be the one standard input, and none is given twice', async () => {
  const piped = (...fields: string[]) => terminal.shell(`echo one | writ unseal userpass ${fields.join(' ')}`)
  expect(await piped('username=-', 'password=-')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^writ: .*username and password.*\nnext: /),
  })
  expect(await piped('username=a', 'username=b', 'password=-')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^writ: username .*twice\nnext: /),
  })
  expect(stack.bench.identity.state.sealed).toBe(true)
})

test('policy check: the line at fault, and what a name would get', async () => {
  const file = join(terminal.folder, 'policies.json')
  writeFileSync(
    file,
    '{\n  "*": { "policies": ["default"] },\n  "web-*": {\n    "policies": ["web"],\n    "ttl": "1h"\n  }\n}\n',
  )
  const bad = await terminal.writ('policy', 'check', file)
  expect(bad).toMatchObject({ code: 1, stdout: `${file}:5: "web-*"."ttl" is not a whole number of at least 0\n` })
  writeFileSync(file, '{ "*": { "policies": ["default"] }, "web-*": { "policies": ["web"], "ttl": 60 } }')
  const good = await terminal.writ('policy', 'check', file, 'web-1')
  expect(good).toMatchObject({ code: 0, stdout: 'pattern "web-*": policies web, ttl 60 s, 1 times\n' })
})
