import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { startGateApp } from '../../../../test/gate-app.ts'
import { EXCHANGES, type Exchange } from '../../../../test/golden/gatekeeper-1.ts'

/** What version 1 answered; version 2 and we answer more, which its clients do not read. */
const KEYS_1 = ['stats', 'uptime', 'status', 'started', 'ok', 'error', 'token', 'version', 'provider']
const PLACES: readonly [name: string, form: RegExp][] = [
  ['duration', /(?<="uptime":")(?:\d+h)?(?:\d+m)?[\d.]+(?:ms|s)(?=")/],
  ['time', /(?<="started":")20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,8}[1-9])?Z(?=")/],
  ['token', /(?<="token":")[\w.-]{20,}(?=")/],
]

/** The part of an answer that is version 1's, in the order that it came in. */
function ofVersion1(body: string): string {
  const { stats, ...answer } = JSON.parse(body) as { stats?: Record<string, number> }
  const counts = stats && { requests: stats.requests, successful: stats.successful, denied: stats.denied }
  const all = Object.entries({ ...(counts ? { stats: counts } : {}), ...answer })
  const text = JSON.stringify(Object.fromEntries(all.filter(([key]) => KEYS_1.includes(key))))
  return PLACES.reduce((sum, [name, form]) => sum.replace(form, `<${name}>`), text)
}

async function start() {
  const stack = await startGateApp(
    { legacyAdmin: true },
    {
      sealed: true,
      policies: {
        '*': { policies: ['app'], meta: { foo: 'bar' }, ttl: 3000 },
        many: { multi_fetch: true, multi_fetch_limit: 1 },
      },
    },
  )
  stack.bench.scheduler.tasks
    .set('young', {})
    .set('old', { startedAt: new Date(Date.now() - 600_000) })
    .set('many', { name: 'many' })
  await stack.app.listen({ host: '127.0.0.1', port: 0 })
  const address = `http://127.0.0.1:${(stack.app.server.address() as AddressInfo).port}`
  const ask = async ({ ask: line, body }: Pick<Exchange, 'ask' | 'body'>) => {
    const [method = '', path = ''] = line.split(' ')
    const sent = body?.replace('<root>', stack.bench.stack.root.reveal())
    const headers = sent === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await fetch(address + path, { method, headers, redirect: 'manual', ...(sent ? { body: sent } : {}) })
    return { answer, text: await answer.text() }
  }
  return { ...stack, ask }
}

test('version 1, one exchange after the other (appendix A)', async () => {
  const stack = await start()
  try {
    for (const exchange of EXCHANGES) {
      const { answer, text } = await stack.ask(exchange)
      const { it, status, answer: wanted, location } = exchange
      expect({ it, status: answer.status, location: answer.headers.get('location') ?? undefined }).toEqual({
        it,
        status,
        location,
      })
      if (wanted === undefined) continue
      const isJson = wanted.startsWith('{')
      expect({ it, answer: isJson ? ofVersion1(text) : text }).toEqual({ it, answer: wanted })
      expect(answer.headers.get('content-type')).toBe(isJson ? 'application/json; charset=utf-8' : 'text/plain')
      // compact, nothing behind it, its length known
      if (isJson) expect(text).toBe(JSON.stringify(JSON.parse(text)))
      if (text) expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)))
    }
  } finally {
    await stack.close()
  }
})

test("Vault's side of an unseal and of a token (appendix A)", async () => {
  const stack = await start()
  const seen: { line: string; headers: Record<string, string>; body: unknown }[] = []
  const look = (message: unknown) => {
    const { request } = message as { request: { method: string; path: string; headers: string[]; body: unknown } }
    if (!request.path.startsWith('/v1/')) return
    const pairs = Array.from({ length: request.headers.length / 2 }, (_, n) => request.headers.slice(n * 2, n * 2 + 2))
    const headers = Object.fromEntries(pairs)
    seen.push({ line: `${request.method} ${request.path}`, headers, body: request.body })
  }
  subscribe('undici:request:create', look)
  try {
    const root = stack.bench.stack.root.reveal()
    await stack.ask({ ask: 'POST /unseal', body: '{"type":"token","token":"<root>"}' })
    const lines = seen.map(({ line }) => line)
    // the credential is checked, then the policies are read, then the token is looked at
    expect(lines.filter(line => !line.includes('/sys/'))).toEqual([
      'GET /v1/auth/token/lookup-self',
      'GET /v1/secret/data/gatekeeper',
      'GET /v1/auth/token/lookup-self',
    ])
    // and what version 1 did not ask: of which version the mount is, and whether the token may make tokens
    expect(lines.filter(line => line.includes('/sys/'))).toEqual([
      'GET /v1/sys/internal/ui/mounts/secret/gatekeeper',
      'POST /v1/sys/capabilities-self',
    ])
    for (const { headers } of seen) expect(headers['x-vault-token']).toBe(root)

    seen.length = 0
    await stack.ask({ ask: 'POST /token', body: '{"task_id":"young"}' })
    expect(seen.map(({ line }) => line)).toEqual(['POST /v1/auth/token/create'])
    expect(seen[0]?.headers).toMatchObject({ 'x-vault-token': root, 'x-vault-wrap-ttl': '120' })
    expect(String(seen[0]?.body)).toBe(
      '{"ttl":"50m0s","policies":["app"],"meta":{"foo":"bar"},"num_uses":0,"no_parent":true,"renewable":true}',
    )
  } finally {
    unsubscribe('undici:request:create', look)
    await stack.close()
  }
})
