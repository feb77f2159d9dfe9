import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { FakeServer, json } from '../../../../test/fake-server.ts'
import { Vault } from '../../../vault/client.ts'
import { Secret } from '../../../vault/secret.ts'
import { type Credentials, login } from '../credentials.ts'

/** What goes to Vault for each method of version 1, and which token comes of it (gatekeeper.md §5). */
const AUTH = { client_token: 'logged-in', accessor: 'a', lease_duration: 60, renewable: true, metadata: null }
const ANSWERS: Record<string, object> = {
  'GET /v1/auth/token/lookup-self': { data: { ttl: 60, renewable: true, policies: [], accessor: 'a' } },
  'GET /v1/cubbyhole/vault-token': { data: { token: 'from-cubby' } },
  'POST /v1/sys/wrapping/unwrap': { auth: { ...AUTH, client_token: 'unwrapped' } },
}
let server: FakeServer
let metadata: FakeServer
let vault: Vault
/** What every login is answered with. */
let auth: object | null
beforeAll(async () => {
  server = await FakeServer.listen((response, { method, url }) => {
    json(response, 200, ANSWERS[`${method} ${url}`] ?? { auth })
  })
  metadata = await FakeServer.listen((response, { method, url }) => {
    // the answer of the session does not arrive, as in a container
    if (method === 'PUT') return response.destroy()
    return response.end(url === '/latest/dynamic/instance-identity/pkcs7' ? 'MII\nC\n' : 'no')
  })
  vault = new Vault({ address: server.address, retry: { retries: 0, firstDelayMs: 1 } })
})
afterAll(async () => {
  await vault.close()
  await server.close()
  await metadata.close()
})
beforeEach(() => {
  auth = AUTH
  server.seen.length = 0
})

const secret = (text: string) => new Secret(text)
const aws = (role: string, nonce: string): Credentials => ({
  kind: 'aws-ec2',
  role,
  nonce: secret(nonce),
  metadata: metadata.address,
})
const LOOKUP = 'GET /v1/auth/token/lookup-self'

type Line = [line: string, token: string | undefined, body: object | null]
const METHODS: [name: string, make: () => Credentials, lines: Line[], token: string][] = [
  ['token', () => ({ kind: 'token', token: secret('t') }), [[LOOKUP, 't', null]], 't'],
  [
    'wrapped-token',
    () => ({ kind: 'wrapped-token', wrap: secret('w') }),
    [
      ['POST /v1/sys/wrapping/unwrap', 'w', null],
      [LOOKUP, 'unwrapped', null],
    ],
    'unwrapped',
  ],
  ...['vault-token', '/vault-token'].map((path): (typeof METHODS)[number] => [
    `cubby at ${path}`,
    () => ({ kind: 'cubby', cubbyToken: secret('c'), path }),
    [
      ['GET /v1/cubbyhole/vault-token', 'c', null],
      [LOOKUP, 'from-cubby', null],
      ['POST /v1/auth/token/revoke-self', 'c', null],
    ],
    'from-cubby',
  ]),
  [
    'userpass',
    () => ({ kind: 'userpass', username: 'ann', password: secret('p') }),
    [['POST /v1/auth/userpass/login/ann', undefined, { password: 'p' }]],
    'logged-in',
  ],
  [
    'github',
    () => ({ kind: 'github', token: secret('g') }),
    [['POST /v1/auth/github/login', undefined, { token: 'g' }]],
    'logged-in',
  ],
  [
    'app-id',
    () => ({ kind: 'app-id', appId: 'a b', userId: { method: 'mac', interface: 'lo' } }),
    [['POST /v1/auth/app-id/login/a%20b', undefined, { user_id: '' }]],
    'logged-in',
  ],
  [
    'aws with role and nonce',
    () => aws('r', 'n'),
    [['POST /v1/auth/aws-ec2/login', undefined, { pkcs7: 'MIIC', role: 'r', nonce: 'n' }]],
    'logged-in',
  ],
  ['aws with neither', () => aws('', ''), [['POST /v1/auth/aws-ec2/login', undefined, { pkcs7: 'MIIC' }]], 'logged-in'],
]

test.each(METHODS)('%s', async (_, make, lines, token) => {
  const found = await login(vault, make())
  expect(found.token.reveal()).toBe(token)
  const seen = server.seen.map(({ method, url, headers, body }) => [
    `${method} ${url}`,
    headers['x-vault-token'],
    body === '' ? null : JSON.parse(body),
  ])
  expect(seen).toEqual(lines)
})

test.each([{ ...AUTH, client_token: '' }, { ...AUTH, client_token: undefined }, null])(
  'a login that is answered without a token is none: %j',
  async answer => {
    auth = answer
    for (const [name, make] of METHODS.slice(4)) {
      await expect(login(vault, make()), name).rejects.toMatchObject({ name: 'VaultError' })
    }
    const unwrap = 'POST /v1/sys/wrapping/unwrap'
    const before = ANSWERS[unwrap]
    ANSWERS[unwrap] = { auth: answer }
    const wrapped = login(vault, { kind: 'wrapped-token', wrap: secret('w') })
    await expect(wrapped).rejects.toMatchObject({ name: 'VaultError' })
    ANSWERS[unwrap] = before ?? {}
  },
)
