import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobSpec } from '../src/protocol/job.ts'
import { type ServerProcess, type Stack, shell, startStack, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
})
afterAll(() => stack.close())

async function run(script: string, more: JobSpec) {
  const client = stack.client(server.address)
  const { _id } = await client.submit(shell(stack, script, more))
  return await untilEnded(stack, client, _id)
}

test('a job without a token has none, neither in the file nor in its environment', async () => {
  const { stdout } = await run('cat /secrets.yml; env | grep -c TOKEN', {
    vault_token: 'none',
    secret_refs: ['NAME@secret/data/hello.name'],
  })
  expect(stdout).toMatch(/\nNAME: \*\*\*\n0\n$/)
  expect(stdout).not.toContain('TOKEN')
})

test('a child token is in both places, and masked', async () => {
  const script = 'grep -c "$VAULT_TOKEN" /secrets.yml; echo "$VAULT_TOKEN"; grep TOKEN /secrets.yml'
  const child: JobSpec = { vault_token: 'child', vault_token_policies: ['default'] }
  expect(await run(script, child)).toMatchObject({ stdout: '1\n***\nTOKEN: ***\n', job: { status: 'success' } })
})

test('policies that the job does not have are refused to the caller', async () => {
  const spec = shell(stack, 'true', { vault_token: 'child', vault_token_policies: ['root'] })
  await expect(stack.client(server.address).submit(spec)).rejects.toMatchObject({ code: 'vault_token_refused' })
})
