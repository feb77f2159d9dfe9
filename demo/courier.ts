import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A courier nobody needs to trust: a process of its own that forwards requests to the server and notes all that it could see.
 * Prints its address as one JSON line, then one line for each request that carries something.
 */
const [target = ''] = process.argv.slice(2)
const forwardTo = new URL(target)

const courier = createServer((incoming, answer) => {
  const seen: Buffer[] = []
  const onward = request(
    new URL(incoming.url ?? '/', forwardTo),
    { method: incoming.method, headers: incoming.headers },
    response => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    },
  )
  onward.on('error', () => answer.writeHead(502).end())
  incoming.on('data', (chunk: Buffer) => seen.push(chunk))
  incoming.on('end', () => {
    const body = Buffer.concat(seen).toString('utf8')
    if (body) process.stdout.write(`${JSON.stringify({ method: incoming.method, path: incoming.url, body })}\n`)
  })
  incoming.pipe(onward)
})
courier.listen(0, '127.0.0.1', () => {
  const { port } = courier.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ courier: `http://127.0.0.1:${port}` })}\n`)
})
