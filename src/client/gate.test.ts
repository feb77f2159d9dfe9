import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeServer } from '../../test/fake-server.ts'
import { GateClient } from './gate.ts'

let fake: FakeServer
let gate: GateClient
beforeEach(async () => {
  fake = await FakeServer.listen(() => {})
  gate = new GateClient({ gate: fake.address })
})
afterEach(async () => {
  await gate.close()
  await fake.close()
})

test('an answer without an end is not read for ever', { timeout: 30_000 }, async () => {
  const piece = Buffer.alloc(1024 * 1024, 'x')
  const pour = (response: ServerResponse) => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once('drain', () => pour(response))
  }
  for (const status of [200, 503]) {
    fake.answer = response => pour(response.writeHead(status))
    await expect(gate.status()).rejects.toMatchObject({ name: 'RequestError', code: 'answer_too_long' })
  }
})

test.each([
  ['<html>a login page</html>', 'not_json'],
  ['', 'not_json'],
  ['[]', 'not_json'],
])('%j is no answer of a gate', async (body, code) => {
  fake.answer = response => response.writeHead(200).end(body)
  await expect(gate.status()).rejects.toMatchObject({ name: 'RequestError', code })
})

test('an answer that breaks off: unreachable', async () => {
  fake.answer = response => response.writeHead(200, { 'content-length': '9' }).write('{', () => fake.cut())
  await expect(gate.status()).rejects.toMatchObject({ name: 'RequestError', code: 'unreachable' })
})

test('what refuses in other words than JSON is a refusal', async () => {
  fake.answer = response => response.writeHead(502).end('<html>bad gateway</html>')
  await expect(gate.seal(null)).rejects.toMatchObject({ name: 'RequestError', status: 502, code: 'http_502' })
})
