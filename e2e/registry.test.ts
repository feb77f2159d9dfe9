import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { busyboxEntries, tarOf } from '../test/busybox-image.ts'
import { TinyRegistry } from '../test/tiny-registry.ts'
import { type ServerProcess, type Stack, startStack, untilEnded } from './stack.ts'

const registry = new TinyRegistry()
const PASSWORD = 'registry-canary-3f9'
let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  await registry.listen()
  stack = await startStack()
  server = await stack.startServer()
  await stack.vault.send({
    method: 'POST',
    path: 'secret/data/registries/tiny',
    token: stack.root,
    body: { data: { username: 'puller', password: PASSWORD } },
  })
})
afterAll(async () => {
  await stack.close()
  await registry.close()
})
beforeEach(() => {
  registry.login = `puller:${PASSWORD}`
})

async function offered(): Promise<string> {
  const tag = `t${randomBytes(4).toString('hex')}`
  registry.offer(tag, await tarOf([...busyboxEntries(), { name: 'unique', data: tag }]))
  return `${registry.host}/team/private:${tag}`
}

async function run(job: object) {
  const client = stack.client(server.address)
  const { _id } = await client.submit({ registry_auth: 'secret/data/registries/tiny', ...job })
  return await untilEnded(stack, client, _id)
}

test('an image of a private registry runs, and followers see the pull; the output is only the job', async () => {
  const ended = await run({ container_image: await offered(), run: ['echo', 'hello'] })
  expect(ended.job).toMatchObject({ status: 'success', output: 'hello\n', stderr: '' })
  expect(ended.stdout).toBe('hello\n')
  expect(ended.system).toMatch(/Pulling from team\/private\n/)
  expect(ended.system).toMatch(/Pull complete\n/)
  expect(ended.job.image_digest).toMatch(/^127\.0\.0\.1:\d+\/team\/private@sha256:[0-9a-f]{64}$/)
  const client = stack.client(server.address)
  const raw = async (stream: string) => {
    const headers = { 'x-auth-token': stack.identities.requestorToken.reveal() }
    return await (
      await fetch(`${server.address}/v1/api/job/${ended.job._id}/output?stream=${stream}`, { headers })
    ).text()
  }
  expect([await raw('both'), await raw('system')]).toEqual(['hello\n', ended.system])
  // somebody who comes back in the middle of our lines misses nothing and gets nothing twice
  const half = Math.floor(ended.system.length / 2)
  let rest = ''
  for await (const event of client.follow(ended.job._id, half)) {
    if (event.kind === 'output') rest += Buffer.from(event.data).toString()
  }
  expect(rest).toBe(`${ended.system.slice(half)}hello\n`)
})

test('the password is masked in the output of a job that gets hold of it', async () => {
  const ended = await run({ container_image: await offered(), run: ['echo', `it is ${PASSWORD}`] })
  expect(ended.stdout).toBe('it is ***\n')
  expect(ended.job.masked).toEqual({ 'registry password': 1 })
})

test('a registry that says the password back does not get it into the record', async () => {
  registry.login = 'somebody:else'
  const ended = await run({ container_image: await offered(), run: ['true'] })
  expect(ended.job).toMatchObject({ status: 'failed', error_code: 'image_not_found' })
  const everything = JSON.stringify(ended) + server.log()
  expect(everything).not.toContain(PASSWORD)
  expect(everything).not.toContain(Buffer.from(`puller:${PASSWORD}`).toString('base64'))
})

test.each([
  ['secret/data/registries/none', 'secret_not_found'],
  ['sys/mounts', 'secret_refused'],
])('credentials at %s: %s', async (registry_auth, code) => {
  const ended = await run({ container_image: await offered(), run: ['true'], registry_auth })
  expect(ended.job).toMatchObject({ status: 'failed', error_code: code })
})

test('a path that is none is refused at submission', async () => {
  const client = stack.client(server.address)
  const job = { container_image: 'busybox', registry_auth: '../x' }
  await expect(client.submit(job)).rejects.toMatchObject({ code: 'secret_ref_invalid' })
})

test('the path that was read is on the audit trail', async () => {
  const { job } = await run({ container_image: await offered(), run: ['true'] })
  const rows = await stack.db.selectFrom('audit').select('entry').where('job_id', '=', job._id).execute()
  const read = rows.map(({ entry }) => entry).find(entry => entry.includes('job.secret_read')) ?? ''
  expect(read).toContain('secret/data/registries/tiny')
})
