import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { Engine } from './engine.ts'

test.each(['1.40', '1.52'])('the version of the API is the one that the engine says: %s', async version => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(JSON.stringify({ ApiVersion: version }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const engine = new Engine(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`)
  try {
    await engine.json('GET', '/info')
    await engine.json('GET', '/info')
    expect(asked).toEqual(['/version', `/v${version}/info`, `/v${version}/info`])
  } finally {
    await engine.close()
    server.close()
  }
})
