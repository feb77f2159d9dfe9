import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, testClient } from '../http/test-client.ts'
import { type DevVault, startDevVault } from '../server.ts'

let vault: DevVault
let call: ReturnType<typeof testClient>
beforeAll(async () => {
  vault = await startDevVault()
  call = testClient(vault)
})
afterAll(() => vault.close())

async function newToken(body: Record<string, unknown>): Promise<{ token: string; accessor: string }> {
  const answer = await call('POST', 'auth/token/create', { body })
  return { token: at(answer, 'auth', 'client_token'), accessor: at(answer, 'auth', 'accessor') }
}

const many = <T>(work: () => Promise<T>) => Promise.all(Array.from({ length: 20 }, work))

describe('at the same moment', () => {
  it('a token of one use serves one request', async () => {
    const { token } = await newToken({ policies: ['default'], num_uses: 1 })
    const answers = await many(() => call('GET', 'auth/token/lookup-self', { token }))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it('a token of one use writes once, also where the write takes a while', async () => {
    await call('POST', 'sys/auth/once', { body: { type: 'userpass' } })
    const { token } = await newToken({ policies: ['root'], num_uses: 1 })
    const answers = await many(() => call('POST', 'auth/once/users/u', { token, body: { password: 'p' } }))
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
  })

  it('a wrapped answer is opened once, by whichever way', async () => {
    await call('POST', 'secret/data/w', { body: { data: { v: 1 } } })
    const token = at(await call('GET', 'secret/data/w', { wrapTtl: '1m' }), 'wrap_info', 'token')
    const answers = await Promise.all([
      ...(await many(async () => call('POST', 'sys/wrapping/unwrap', { token }))),
      ...(await many(async () => call('POST', 'sys/wrapping/unwrap', { body: { token } }))),
    ])
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it('a secret id of one use logs in once', async () => {
    await call('POST', 'sys/auth/ar1', { body: { type: 'approle' } })
    await call('POST', 'auth/ar1/role/r', { body: { secret_id_num_uses: 1 } })
    const role_id = at(await call('GET', 'auth/ar1/role/r/role-id'), 'data', 'role_id')
    const secret_id = at(await call('POST', 'auth/ar1/role/r/secret-id'), 'data', 'secret_id')
    const answers = await many(() => call('POST', 'auth/ar1/login', { token: '', body: { role_id, secret_id } }))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it('a key of transit is made once', async () => {
    await call('POST', 'sys/mounts/tr1', { body: { type: 'transit' } })
    const answers = await many(() => call('POST', 'tr1/encrypt/k', { body: { plaintext: 'eA==', type: 'rsa-2048' } }))
    for (const answer of answers) {
      const ciphertext = at(answer, 'data', 'ciphertext')
      expect((await call('POST', 'tr1/decrypt/k', { body: { ciphertext } })).body.data).toEqual({ plaintext: 'eA==' })
    }
  })
})

describe('what no recording shows', () => {
  it('capabilities of paths that lead nowhere', async () => {
    await call('PUT', 'sys/policies/acl/writ', {
      body: { policy: 'path "writ/queues/q" { capabilities = ["create", "read"] }' },
    })
    const { token } = await newToken({ policies: ['writ'] })
    const { body } = await call('POST', 'sys/capabilities-self', {
      token,
      body: { paths: ['writ/queues/q', 'writ/queues/r'] },
    })
    expect(body.data).toEqual({ 'writ/queues/q': ['create', 'read'], 'writ/queues/r': ['deny'] })
  })

  it('a policy named "a,b" is not the policies a and b', async () => {
    await call('PUT', 'sys/policies/acl/pa', { body: { policy: 'path "sys/mounts" { capabilities = ["read"] }' } })
    const two = await newToken({ policies: ['pa', 'pb'] })
    expect((await call('GET', 'sys/mounts', { token: two.token })).status).toBe(200)
    const odd = await newToken({ policies: ['pa,pb'] })
    expect((await call('GET', 'sys/mounts', { token: odd.token })).status).toBe(403)
  })

  it('renewal, lookup and revocation by accessor', async () => {
    const { token, accessor } = await newToken({ policies: ['default'], ttl: '1h' })
    expect((await call('POST', 'auth/token/renew-accessor', { body: { accessor } })).body.auth).toMatchObject({
      client_token: '',
      accessor,
    })
    expect((await call('POST', 'auth/token/lookup-accessor', { body: { accessor } })).body.data).toMatchObject({
      id: '',
      accessor,
    })
    expect((await call('POST', 'auth/token/revoke-accessor', { body: { accessor } })).status).toBe(204)
    expect((await call('GET', 'auth/token/lookup-self', { token })).status).toBe(403)
  })

  it('where a wrapped secret id comes from, and that it logs in after unwrapping', async () => {
    await call('POST', 'sys/auth/ar2', { body: { type: 'approle' } })
    await call('POST', 'auth/ar2/role/job', { body: { token_policies: 'default' } })
    const role_id = at(await call('GET', 'auth/ar2/role/job/role-id'), 'data', 'role_id')
    const token = at(await call('POST', 'auth/ar2/role/job/secret-id', { wrapTtl: '5m' }), 'wrap_info', 'token')
    const looked = await call('POST', 'sys/wrapping/lookup', { token: '', body: { token } })
    expect(looked.body.data).toMatchObject({ creation_path: 'auth/ar2/role/job/secret-id', creation_ttl: 300 })
    const secret_id = at(await call('POST', 'sys/wrapping/unwrap', { token }), 'data', 'secret_id')
    expect((await call('POST', 'auth/ar2/login', { token: '', body: { role_id, secret_id } })).status).toBe(200)
  })

  it('anything may be wrapped, and only wrapped', async () => {
    const { token } = await newToken({ policies: ['default'] })
    const body = { any: { thing: [1] } }
    expect((await call('POST', 'sys/wrapping/wrap', { token, body })).status).toBe(400)
    const wrapped = at(await call('POST', 'sys/wrapping/wrap', { token, body, wrapTtl: '1m' }), 'wrap_info', 'token')
    expect((await call('POST', 'sys/wrapping/unwrap', { token: wrapped })).body.data).toEqual(body)
  })

  it('a token with wrapping rights cannot be made', async () => {
    const { body } = await call('POST', 'auth/token/create', { body: { policies: ['response-wrapping'] } })
    expect(body.errors).toEqual(['cannot assign policy "response-wrapping"'])
  })

  it('sudo alone makes no root token', async () => {
    await call('PUT', 'sys/policies/acl/su', {
      body: { policy: 'path "auth/token/*" { capabilities = ["sudo", "update"] }' },
    })
    const { token } = await newToken({ policies: ['su'] })
    expect((await call('POST', 'auth/token/create', { token, body: { policies: ['root'] } })).status).toBe(400)
    expect((await call('POST', 'auth/token/create', { token, body: { policies: ['su', 'other'] } })).status).toBe(200)
  })

  it('a login that was mounted away takes its tokens with it', async () => {
    await call('POST', 'sys/auth/gone', { body: { type: 'userpass' } })
    await call('POST', 'auth/gone/users/u', { body: { password: 'p' } })
    const token = at(
      await call('POST', 'auth/gone/login/u', { token: '', body: { password: 'p' } }),
      'auth',
      'client_token',
    )
    expect((await call('GET', 'auth/token/lookup-self', { token })).status).toBe(200)
    await call('DELETE', 'sys/auth/gone')
    expect((await call('GET', 'auth/token/lookup-self', { token })).status).toBe(403)
  })

  it('integers beyond 2^53 and forms of numbers survive', async () => {
    await call('POST', 'secret/data/n', { body: '{"data":{"big":12345678901234567890,"form":1.50}}' })
    const response = await fetch(`${vault.address}/v1/secret/data/n`, { headers: { 'X-Vault-Token': vault.rootToken } })
    expect(await response.text()).toContain('"data":{"big":12345678901234567890,"form":1.50}')
  })

  it('transit takes payloads of just under 32 MiB', async () => {
    await call('POST', 'sys/mounts/tr32', { body: { type: 'transit' } })
    const plaintext = randomBytes(17 * 1024 * 1024).toString('base64')
    const ciphertext = at(await call('POST', 'tr32/encrypt/k', { body: { plaintext } }), 'data', 'ciphertext')
    const back = await call('POST', 'tr32/decrypt/k', { body: { ciphertext } })
    expect(at(back, 'data', 'plaintext') === plaintext).toBe(true)
  })
})
