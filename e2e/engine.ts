import { buffer } from 'node:stream/consumers'
import { Agent } from 'undici'
import { ENGINE_SOCKET } from '../test/engine-socket.ts'

const agent = new Agent({ connect: { socketPath: ENGINE_SOCKET } })

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

/** Gives an image another name, as one would find it on a machine that has pulled it. */
export async function tagImage(image: string, name: string): Promise<void> {
  const path = `/images/${image}/tag?repo=${name}&tag=latest`
  const { statusCode, body } = await agent.request({ origin: 'http://engine', path, method: 'POST' })
  await body.dump()
  if (statusCode >= 400) throw new Error(`${path}: ${statusCode}`)
}
