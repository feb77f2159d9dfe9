import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DevVault, startDevVault } from '../../server.ts'

const CROWD = 10_000

let vault: DevVault
let dispatcher: Agent
beforeAll(async () => {
  vault = await startDevVault()
  dispatcher = new Agent({ connections: 100 })
  await vault.write('sys/auth/approle', { type: 'approle' })
  await vault.write('auth/approle/role/app', { role_id: 'app', secret_id_num_uses: 1, token_ttl: '1h' })
})
afterAll(async () => {
  await dispatcher.close()
  await vault.close()
})

interface Body {
  readonly auth: { readonly client_token: string; readonly accessor: string; readonly metadata: Record<string, string> }
  readonly data: { readonly id: string; readonly meta: Record<string, string>; readonly display_name: string }
}

async function send(method: 'GET' | 'POST', path: string, body?: object, token?: string) {
  const answer = await request(`${vault.address}/v1/${path}`, {
    method,
    dispatcher,
    headers: token === undefined ? {} : { 'x-vault-token': token },
    body: body === undefined ? null : JSON.stringify(body),
  })
  return { status: answer.statusCode, body: (await answer.body.json()) as Body }
}

it('ten thousand who log in at once: each gets a token of its own, with its own metadata', {
  timeout: 120_000,
}, async () => {
  const everyone = Array.from({ length: CROWD }, (_, n) => String(n))
  for (const n of everyone)
    await vault.write('auth/approle/role/app/custom-secret-id', { secret_id: `secret-${n}`, metadata: `n=${n}` })

  const logins = await Promise.all(
    everyone.map(n => send('POST', 'auth/approle/login', { role_id: 'app', secret_id: `secret-${n}` })),
  )
  const lookups = await Promise.all(
    logins.map(({ body }) => send('GET', 'auth/token/lookup-self', undefined, body.auth?.client_token)),
  )

  const expected = everyone.map(n => ({ n, role_name: 'app' }))
  expect(logins.filter(({ status }) => status !== 200)).toEqual([])
  expect(logins.map(({ body }) => body.auth.metadata)).toEqual(expected)
  expect(lookups.map(({ body }) => body.data.meta)).toEqual(expected)
  expect(lookups.map(({ body }) => body.data.id)).toEqual(logins.map(({ body }) => body.auth.client_token))
  for (const key of ['client_token', 'accessor'] as const)
    expect(new Set(logins.map(({ body }) => body.auth[key])).size).toBe(CROWD)
  // Each secret id was good once.
  expect((await send('POST', 'auth/approle/login', { role_id: 'app', secret_id: 'secret-7' })).status).toBe(400)
})
