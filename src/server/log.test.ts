import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import Fastify from 'fastify'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createLog, linesOfTurns } from './log.ts'

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

function told() {
  const writes: string[][] = []
  const messages = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line).msg)
  return { log: pino({}, linesOfTurns({ write: text => void writes.push(messages(text)) })), writes }
}

test.each<[string, object]>([
  ['headers', { headers: { 'x-vault-token': 'canary' } }],
  ['headers of a request', { req: { headers: { 'x-vault-token': 'canary' } } }],
  ['headers of an error', { err: Object.assign(new Error('x'), { headers: ['canary'], rawPacket: 'canary' }) }],
  ['a token in an error', { err: Object.assign(new Error('x'), { token: 'canary' }) }],
  ['a token in an error by another name', { failure: Object.assign(new Error('x'), { token: 'canary' }) }],
  [
    'fields of a body',
    { body: { token: 'canary', secret_id: 'canary', wrap_secret_id: 'canary', cubby_token: 'canary' } },
  ],
])('%s: in no line', (_, fields) => {
  const lines: string[] = []
  const log = createLog('info', { write: line => void lines.push(line) })
  log.error({ ...fields, kept: { a: 1 } }, 'said')
  log.child(fields).warn('said')
  if ('err' in fields) log.error(fields.err, 'said')
  expect(lines.join('')).not.toContain('canary')
  expect(lines.join('')).toContain('[secret]')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'said', kept: { a: 1 } })
})

test('the lines of one turn are one write', async () => {
  const { log, writes } = told()
  for (const text of ['a', 'b', 'c']) log.info(text)
  expect(writes).toEqual([])
  await turn()
  log.info('d')
  await turn()
  expect(writes).toEqual([['a', 'b', 'c'], ['d']])
})

test('a warning is written at once, after all that came before it', () => {
  const { log, writes } = told()
  log.info('a')
  log.child({ request: 1 }).warn('b')
  expect(writes).toEqual([['a', 'b']])
})

test.each(['process.exit(3)', 'throw new Error("3")', 'process.exitCode = 3'])('nothing is lost by %s', ending => {
  const code = `
    const { createLog } = await import(${JSON.stringify(new URL('./log.ts', import.meta.url).href)})
    const log = createLog('info')
    for (let n = 0; n < 1000; n++) log.info({ n, text: 'x'.repeat(100) })
    ${ending}`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  const lines = stdout.trim().split('\n')
  expect(lines.map(line => JSON.parse(line).n)).toEqual(Array.from({ length: 1000 }, (_, n) => n))
})
