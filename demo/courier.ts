import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { request } from 'undici'

/**
 * A courier nobody needs to trust: a process of its own that forwards requests to the server and notes all that it could see.
 * Prints its address as one JSON line, then one line for each request that carries something. Given Vault's address as well, it is
 * a nosy one: it looks into envelopes before it passes them on.
 */
const [server = '', vault = ''] = process.argv.slice(2)

const courier = createServer((incoming, answer) => {
  carry(incoming, answer).catch(() => answer.destroy())
})
courier.listen(0, '127.0.0.1', () => {
  const { port } = courier.address() as AddressInfo
  print({ courier: `http://127.0.0.1:${port}` })
})

async function carry(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  const body = await buffer(incoming)
  if (body.length > 0) {
    const note = { method: incoming.method, path: incoming.url, body: body.toString() }
    print(vault ? { ...note, loot: await peek(body.toString()) } : note)
  }
  const { host: _host, 'content-length': _length, connection: _connection, ...headers } = incoming.headers
  const response = await request(`${server}${incoming.url}`, {
    method: incoming.method as 'GET',
    headers,
    body: body.length > 0 ? body : null,
    bodyTimeout: 0,
  })
  answer.writeHead(response.statusCode, response.headers)
  await pipeline(response.body, answer)
}

/** Takes what lies in the envelope's cubbyhole, with the token that is written on its outside. */
async function peek(body: string): Promise<string> {
  const { cubby_token, cubby_path } = JSON.parse(body)
  const response = await request(`${vault}/v1/${cubby_path}`, { headers: { 'x-vault-token': cubby_token } })
  const answer = (await response.body.json()) as { data?: { payload?: string } }
  return answer.data?.payload ?? ''
}

function print(note: object): void {
  process.stdout.write(`${JSON.stringify(note)}\n`)
}
