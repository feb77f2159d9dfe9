import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Terminal } from './command.ts'
import { type ServerProcess, type Stack, startStack, untilEnded } from './stack.ts'

const SIZE = 10 * 1024 * 1024
/** What is sent as content; the job writes it ten times, each time turned a little further. */
const BLOCK = SIZE / 10
const TURN = 777

let stack: Stack
let server: ServerProcess
let terminal: Terminal
let bytes: Buffer

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  terminal = await Terminal.open(stack.environment(server.address))
  const block = randomBytes(BLOCK)
  await writeFile(join(terminal.folder, 'random'), block)
  bytes = Buffer.concat(
    Array.from({ length: 10 }, (_, n) => [block.subarray(n * TURN), block.subarray(0, n * TURN)]).flat(),
  )
})
afterAll(() => stack.close())

const SCRIPT = `i=0; while [ $i -lt 10 ]; do tail -c +$((i*${TURN}+1)) /random; head -c $((i*${TURN})) /random; i=$((i+1)); done`
const sum = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

test('10 MB of random bytes through writ run and a pipe are the same bytes', async () => {
  const { code, stdout, stderr } = await terminal.shell(
    `mkdir content && mv random content
    writ run --image ${stack.image} --content content -- sh -c '${SCRIPT}' | sha256sum`,
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
}, 120_000)

test('more than is kept: beginning, end and how much is missing, in every form of it', async () => {
  const client = stack.client(server.address)
  const script = 'i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo "line $i"; done'
  const { _id } = await client.submit({ container_image: stack.image, run: ['sh', '-c', script], output_limit: 65_536 })
  const { job } = await untilEnded(stack, client, _id)
  const whole = `${Array.from({ length: 40_000 }, (_, i) => `line ${i + 1}\n`).join('')}`
  expect(job).toMatchObject({ output_bytes: whole.length, unmasked: [] })
  expect(job.output_left_out).toBeGreaterThan(whole.length - 65_536)
  const [, head = '', missing = '', tail = ''] =
    /^(.*)\n\[writ: (\d+) bytes are left out here\]\n(.*)$/s.exec(job.output) ?? []
  expect(Number(missing)).toBe(job.output_left_out)
  expect(whole.startsWith(head)).toBe(true)
  expect(whole.endsWith(tail)).toBe(true)
  expect(head.length + tail.length + Number(missing)).toBe(whole.length)
  const { stdout, stderr } = await terminal.writ('logs', '-f', _id)
  expect(stdout).toBe(head + tail)
  expect(stderr).toContain(`${missing} bytes of output are left out here`)
  const raw = await request(`${server.address}/v1/api/job/${_id}/output?stream=stdout`, {
    headers: { 'x-auth-token': stack.identities.requestorToken.reveal() },
  })
  expect(await raw.body.text()).toBe(job.output)
})
