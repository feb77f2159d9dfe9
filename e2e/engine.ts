import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Agent } from 'undici'

const SOCKET = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace('unix://', '')
const agent = new Agent({ connect: { socketPath: SOCKET } })

/** Asks the engine itself, without any code of the product. */
export async function askEngine(path: string): Promise<Buffer> {
  const { statusCode, body } = await agent.request({ origin: 'http://engine', path, method: 'GET' })
  const bytes = await buffer(body)
  if (statusCode >= 400) throw new Error(`${path}: ${statusCode} ${bytes}`)
  return bytes
}

/** How often containers of a job were created and started, by the engine's own account. */
export async function countEvents(jobId: string, event: 'create' | 'start'): Promise<number> {
  const filters = JSON.stringify({ type: ['container'], event: [event], label: [`writ.job=${jobId}`] })
  const now = Math.ceil(Date.now() / 1000)
  const lines = await askEngine(`/events?since=${now - 3600}&until=${now}&filters=${encodeURIComponent(filters)}`)
  return lines.toString().split('\n').filter(Boolean).length
}

/** A socket in front of the engine's that can stop a request on its way there, or its answer on the way back. */
export interface EngineProxy {
  readonly host: string
  /** Resolves when a matching request has come; it is not passed on. */
  holdRequest(pattern: RegExp): Promise<void>
  /** Resolves when the engine has answered a matching request; the answer is not passed on. */
  holdAnswer(pattern: RegExp): Promise<void>
  close(): Promise<void>
}

export async function startEngineProxy(path: string): Promise<EngineProxy> {
  if (existsSync(path)) await rm(path)
  let trap: { pattern: RegExp; where: 'request' | 'answer'; sprung: () => void } | null = null
  const sockets = new Set<Socket>()
  // half-open: the end of a container's input must not end its output
  const server = createServer({ allowHalfOpen: true }, client => {
    const engine = connect({ path: SOCKET, allowHalfOpen: true })
    let muted = false
    for (const socket of [client, engine]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        engine.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => {
      const line = chunk.subarray(0, 300).toString('latin1').split('\r\n')[0] ?? ''
      if (trap?.pattern.test(line)) {
        muted = true
        const { where, sprung } = trap
        trap = null
        if (where === 'request') return sprung()
        engine.once('data', sprung)
      }
      engine.write(chunk)
    })
    client.on('end', () => engine.end())
    engine.on('data', chunk => {
      if (!muted) client.write(chunk)
    })
    engine.on('end', () => client.end())
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
  const hold = (where: 'request' | 'answer') => (pattern: RegExp) =>
    new Promise<void>(sprung => {
      trap = { pattern, where, sprung }
    })
  return {
    host: `unix://${path}`,
    holdRequest: hold('request'),
    holdAnswer: hold('answer'),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
