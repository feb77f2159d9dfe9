import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealJob } from '../src/client/seal.ts'
import { type ServerProcess, type Stack, shell, startStack, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ WRIT_MAX_JOB_MEMORY: String(192 * 2 ** 20), WRIT_ALLOWED_NETWORKS: 'bridge' })
})
afterAll(() => stack.close())

const SHOW = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; touch /tmp/x /x'

test('a job gets what it asks for, within what is allowed', async () => {
  const client = stack.client(server.address)
  const asked = { limits: { memory: '160m', cpus: 0.5, pids: 40 }, network: 'bridge', read_only: true }
  const { _id } = await client.submit(shell(stack, `${SHOW}; test -d /sys/class/net/eth0`, asked))
  const { job, stdout, stderr } = await untilEnded(stack, client, _id)
  expect(stdout).toBe(`${160 * 2 ** 20}\n`)
  expect([stderr.includes('Read-only'), job.status]).toEqual([true, 'success'])
})

test.each<[object, string]>([
  [{ limits: { memory: '193m' } }, 'limit_refused'],
  [{ limits: { pids: 1_000_000 } }, 'limit_refused'],
  [{ network: 'host' }, 'network_refused'],
  [{ limits: { memory: 'much' } }, 'body_invalid'],
  [{ limits: { privileged: true } }, 'body_invalid'],
])('%j is refused at submission, directly and sealed', async (asked, code) => {
  const client = stack.client(server.address)
  const count = async () => (await stack.db.selectFrom('jobs').select('id').execute()).length
  const before = await count()
  await expect(client.submitDirect(shell(stack, 'true', asked))).rejects.toMatchObject({ code })
  const sealed = code === 'body_invalid' && 'privileged' in Object(Object(asked).limits) ? 'envelope_not_a_job' : code
  await expect(client.submit(shell(stack, 'true', asked))).rejects.toMatchObject({ code: sealed })
  expect(await count()).toBe(before)
})

test('the courier can neither widen nor narrow them', async () => {
  const client = stack.client(server.address)
  const spec = shell(stack, `${SHOW}; ls /sys/class/net`)
  const submission = await sealJob(stack.vault, stack.identities.requestorToken, spec, { jobRole: 'writ-job' })
  const more = { limits: { memory: '64m' }, network: 'bridge', read_only: true, registry_auth: 'secret/data/x' }
  const answer = await fetch(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': stack.identities.requestorToken.reveal() },
    body: JSON.stringify({ ...submission, ...more }),
  })
  const { _id, ignored_fields } = (await answer.json()) as { _id: string; ignored_fields: string[] }
  expect(ignored_fields.sort()).toEqual(['limits', 'network', 'read_only', 'registry_auth'])
  const { stdout } = await untilEnded(stack, client, _id)
  expect(stdout).toContain(`${128 * 2 ** 20}\n`)
  expect(stdout).not.toContain('eth0')
})
