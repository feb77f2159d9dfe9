import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Terminal } from './command.ts'
import { type ServerProcess, type Stack, startStack } from './stack.ts'

const SIZE = 10 * 1024 * 1024

let stack: Stack
let server: ServerProcess
let terminal: Terminal
let bytes: Buffer

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  terminal = await Terminal.open({
    WRIT_ADDR: server.address,
    VAULT_ADDR: stack.vault.address,
    VAULT_TOKEN: stack.identities.requestorToken.reveal(),
  })
  bytes = randomBytes(SIZE)
  await writeFile(join(terminal.folder, 'random'), bytes)
})
afterAll(() => stack.close())

const sum = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

test('10 MB of random bytes through writ run and a pipe are the same bytes', async () => {
  const { code, stdout, stderr } = await terminal.shell(
    `mkdir content && mv random content && writ run --image ${stack.image} --content content -- cat /random | sha256sum`,
  )
  expect(stdout.split(' ')[0], stderr).toBe(sum(bytes))
  expect(code).toBe(0)
  const id = /job ([0-9a-f]{24})/.exec(stderr)?.[1]
  const again = await terminal.shell(
    `writ logs ${id} | sha256sum; writ logs -f ${id} --offset ${SIZE - 1000} | sha256sum`,
  )
  expect(again.stdout.split(/\s+-\n/)).toEqual([sum(bytes), sum(bytes.subarray(-1000)), ''])

  const get = async (query: string) =>
    await request(`${server.address}/v1/api/job/${id}/output?${query}`, {
      headers: { 'x-auth-token': stack.identities.requestorToken.reveal() },
    })
  const whole = await get('stream=stdout')
  expect(whole.headers['content-type']).toBe('application/octet-stream')
  expect(sum(await whole.body.bytes())).toBe(sum(bytes))
  expect(sum(await (await get(`stream=both&offset=${SIZE - 7}`)).body.bytes())).toBe(sum(bytes.subarray(-7)))
  expect(await (await get('stream=stderr')).body.text()).toBe('')
  for (const wrong of ['stream=', 'stream=x', 'stream=constructor', 'stream=stdout&stream=stderr']) {
    expect((await get(wrong)).statusCode, wrong).toBe(400)
  }
})
