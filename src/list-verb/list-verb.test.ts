import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { type Dispatcher, Pool } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevVault, startDevVault } from '../dev-vault/server.ts'
import { ListVerb } from './list-verb.ts'

let vault: DevVault
let host: string
beforeAll(async () => {
  vault = await startDevVault({ rootToken: 'root' })
  host = new URL(vault.address).host
  const response = await fetch(`${vault.address}/v1/secret/data/a`, {
    method: 'POST',
    headers: { 'X-Vault-Token': 'root' },
    body: '{"data":{"LIST /":1}}',
  })
  expect(response.status).toBe(200)
})
afterAll(() => vault.close())

/** Sends bytes as they are, in these pieces, and collects the answers until as many have come as are expected or the server has ended. */
async function raw(pieces: readonly string[], answers: number): Promise<{ status: number; body: string }[]> {
  const socket = connect(Number(new URL(vault.address).port), '127.0.0.1').setNoDelay()
  await once(socket, 'connect')
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString()
  })
  for (const piece of pieces) {
    socket.write(piece)
    if (pieces.length > 1) await wait(1)
  }
  const found = () => [...text.matchAll(/HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n(\{[\s\S]*?\}\n|(?=HTTP)|$)/g)]
  for (let i = 0; i < 400 && !socket.closed && found().length < answers; i++) await wait(5)
  socket.destroy()
  return found().map(([, status, body]) => ({ status: Number(status), body: body ?? '' }))
}

const head = (verb: string, path: string, more = '') =>
  `${verb} ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Vault-Token: root\r\n${more}\r\n`
const LIST = head('LIST', '/v1/secret/metadata')
const READ = head('GET', '/v1/secret/data/a')
const lists = { status: 200, body: expect.stringContaining('"keys":["a"]') as string }
const reads = { status: 200, body: expect.stringContaining('"LIST /":1') as string }

describe('LIST', () => {
  it('comes through undici on a connection that is kept', async () => {
    const pool = new Pool(vault.address, { connections: 1 })
    const verbs = ['LIST', 'GET', 'LIST', 'POST', 'LIST', 'LIST']
    const seen: unknown[] = []
    for (const method of verbs) {
      const path = method === 'LIST' ? '/v1/secret/metadata' : '/v1/secret/data/a'
      const { body } = await pool.request({
        method: method as Dispatcher.HttpMethod,
        path,
        headers: { 'x-vault-token': 'root' },
        body: method === 'POST' ? '{"data":{"LIST /":1}}' : null,
      })
      seen.push(((await body.json()) as { data: unknown }).data)
    }
    await pool.close()
    const keys = { keys: ['a'] }
    expect(seen.filter((_, i) => verbs[i] === 'LIST')).toEqual([keys, keys, keys, keys])
    expect(seen[1]).toMatchObject({ data: { 'LIST /': 1 } })
  })

  it('comes through between pipelined requests', async () => {
    expect(await raw([LIST + READ + LIST + LIST + READ], 5)).toEqual([lists, reads, lists, lists, reads])
  })

  it('comes through byte by byte', async () => {
    expect(await raw([...(LIST + READ + LIST)], 3)).toEqual([lists, reads, lists])
  })

  it('comes through after bodies that look like it', async () => {
    const body = '{"data":{"LIST /":1}}'
    const plain = head('POST', '/v1/secret/data/a', `Content-Length: ${body.length}\r\n`) + body
    const chunks = `5;LIST\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\nLIST: x\r\n\r\n`
    const chunked = head('POST', '/v1/secret/data/a', 'Transfer-Encoding: chunked\r\n') + chunks
    const answers = await raw([plain + LIST + chunked + LIST + READ], 5)
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect([answers[1], answers[3], answers[4]]).toEqual([lists, lists, reads])
  })

  it.each([
    ['both lengths', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n'],
    ['a length that is no number', 'Content-Length: 5x\r\n'],
    ['chunked that is not last', 'Transfer-Encoding: chunked, gzip\r\n'],
    ['a bare line feed', 'X: y\nContent-Length: 5\r\n'],
    ['a folded length', 'Content-Length:\r\n 5\r\n'],
  ])('cannot be smuggled in a body by %s', async (_, framing) => {
    const inner = LIST.replace('LIST', 'GET')
    const body = `0\r\n\r\n${inner}${LIST}`
    const answers = await raw([head('POST', '/v1/secret/data/b', framing) + body], 2)
    expect(answers).toEqual([{ status: 400, body: '{"errors":[]}\n' }])
  })

  it('is also ?list=true', async () => {
    expect(await raw([head('GET', '/v1/secret/metadata?list=true')], 1)).toEqual([lists])
  })

  it('is not another verb that begins or ends like it', async () => {
    for (const verb of ['LINK', 'LISTS', 'LIS', 'LIXT', 'list', 'FOO']) {
      const [answer] = await raw([head(verb, '/v1/secret/metadata')], 1)
      expect(answer, verb).toEqual({ status: 405, body: '{"errors":[]}\n' })
    }
  })
})

describe('what stands in front of the parser', () => {
  const message = fc.record({
    verb: fc.constantFrom('LIST', 'GET', 'POST', 'PUT', 'DELETE'),
    body: fc.oneof(fc.constant(''), fc.constant('LIST / HTTP/1.1\r\n\r\n'), fc.string({ unit: 'binary-ascii' })),
    chunked: fc.boolean(),
  })
  const write = ({ verb, body, chunked }: { verb: string; body: string; chunked: boolean }) => {
    const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
    const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`
    return `${verb} / HTTP/1.1\r\n${framing}\r\n\r\n${chunked ? `${chunk}0\r\n\r\n` : body}`
  }

  it('changes the verb and nothing else, wherever the packets are cut', () => {
    fc.assert(
      fc.property(fc.array(message), fc.array(fc.nat({ max: 400 })), (messages, cuts) => {
        const sent = messages.map(write).join('')
        const verb = new ListVerb()
        const edges = [0, ...cuts.filter(cut => cut < sent.length).sort((a, b) => a - b), sent.length]
        const pieces = edges.slice(1).map((edge, i) => Buffer.from(sent.slice(edges[i], edge), 'latin1'))
        for (const piece of pieces) verb.feed(piece)
        const expected = messages.map(one => write({ ...one, verb: one.verb === 'LIST' ? 'LINK' : one.verb })).join('')
        expect(Buffer.concat(pieces).toString('latin1')).toBe(expected)
      }),
    )
  })
})
