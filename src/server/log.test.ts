import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { createLog } from './log.ts'

test('a request that is no HTTP is in no log with its token, not even where everything is logged', async () => {
  const lines: string[] = []
  const app = Fastify({ loggerInstance: createLog('trace', { write: line => void lines.push(line) }) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.end('POST / HTTP/1.1\r\nx-vault-token: canary\r\nno header\r\n\r\n').resume()
  await once(socket, 'close')
  await app.close()
  expect(lines.join('')).toContain('client error')
  for (const shown of ['canary', [...Buffer.from('canary')].join()]) expect(lines.join('')).not.toContain(shown)
})
