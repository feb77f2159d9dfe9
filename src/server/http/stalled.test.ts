import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'
import { appendOutput, type Stored } from '../store/output.ts'

let t: TestHttp
const connections: Socket[] = []
beforeAll(async () => {
  t = await startTestHttp()
  t.app.server.on('connection', socket => connections.push(socket))
  await t.app.listen({ port: 0, host: '127.0.0.1' })
})
afterAll(() => t.close())

/** A job, and its writing of a megabyte. */
async function startJob() {
  const { hold, job } = await t.claim()
  let stored: Stored = job
  const chunks = Array.from({ length: 4 }, () => ({ stream: 'stdout', data: Buffer.alloc(1 << 18, 'x') }) as const)
  const write = async () => {
    const batch = { chunks, raw: { stdout: 0, stderr: 0 }, masked: {}, limit: 64 << 20 }
    stored = await appendOutput(t.engine.db, hold, stored, batch)
    return stored.output_bytes
  }
  return { id: hold.id, write }
}

/** Its answer, of which nothing is read yet, and the server's end of the connection. */
async function follow(id: string): Promise<{ answer: IncomingMessage; socket: Socket }> {
  const { port } = t.app.server.address() as AddressInfo
  const headers = { 'x-auth-token': t.stack.root.reveal() }
  const call = request({ port, path: `/v1/api/job/${id}/output`, agent: false, headers }).end()
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  answer.on('error', () => {})
  return { answer, socket: connections.at(-1) as Socket }
}

/** What Node does when nothing has moved for the time that was set: of all this, only the time is not real. */
const timePasses = (socket: Socket) => (socket as unknown as { _onTimeout(): void })._onTimeout()

test('who reads nothing for a minute is cut off; the job writes on meanwhile and afterwards', async () => {
  const job = await startJob()
  const { answer, socket } = await follow(job.id)
  // more than all buffers on the way to him hold
  for (let n = 1; n <= 24; n += 1) expect(await job.write()).toBe(n << 20)
  await expect.poll(() => socket.writableLength).toBeGreaterThan(0)
  expect(socket.timeout).toBe(60_000)
  // the first time may find that something has moved since it was written
  for (let minutes = 0; minutes < 2 && !socket.destroyed; minutes += 1) timePasses(socket)
  expect(socket.destroyed).toBe(true)
  answer.resume()
  await expect.poll(() => answer.closed).toBe(true)
  expect(answer.complete).toBe(false)
  expect(await job.write()).toBe(25 << 20)
})

test('who has read all there is, of a job that says nothing, hears four times from the server in that minute', async () => {
  const job = await startJob()
  const { answer, socket } = await follow(job.id)
  const [piece] = await once(answer, 'data')
  expect(String(piece)).toBe(': following\n\n')
  expect(socket.writableLength).toBe(0)
  expect(socket.timeout).toBeGreaterThanOrEqual(4 * 15_000)
  answer.destroy()
})
