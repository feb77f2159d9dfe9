import { Agent, request } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Clock } from '../../clock.ts'
import { type DevVault, startDevVault } from '../../server.ts'
import type { JsonObject } from '../../text/json.ts'
import { AUTHORITY, certificate, LEAF, type Pair } from './test-authority.ts'

const server = certificate('/CN=server', ['subjectAltName=IP:127.0.0.1'])
const root = certificate('/CN=root', AUTHORITY, undefined, 9)
const between = certificate('/CN=between', AUTHORITY, root)
const ann = certificate(
  '/CN=ann.example.org/OU=ops/OU=dev',
  [...LEAF, 'subjectAltName=DNS:a.internal,email:ann@example.org,URI:spiffe://x/ann'],
  root,
)
const below = certificate('/CN=below', LEAF, between)
const alone = certificate('/CN=alone', LEAF)

const DAY = 86_400_000

let vault: DevVault
beforeAll(async () => {
  vault = await startDevVault({ tls: server, clock: new Clock() })
  await vault.write('sys/auth/cert', { type: 'cert' })
})
afterAll(() => vault.close())

async function call(
  path: string,
  body: JsonObject,
  { token = vault.rootToken, pair }: { token?: string; pair?: Pair },
) {
  const dispatcher = new Agent({ connect: { ca: server.cert, ...pair } })
  const headers = token === '' ? {} : { 'x-vault-token': token }
  try {
    const answer = await request(`${vault.address}/v1/${path}`, {
      method: 'POST',
      dispatcher,
      headers,
      body: JSON.stringify(body),
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, body: text === '' ? {} : JSON.parse(text) }
  } finally {
    await dispatcher.close()
  }
}

const login = (pair: Pair | undefined, body: JsonObject = {}) =>
  call('auth/cert/login', body, { token: '', ...(pair && { pair }) })
const role = (fields: JsonObject) => vault.write('auth/cert/certs/app', { token_policies: 'app', ...fields })
const REFUSED = { status: 400, body: { errors: ['invalid certificate or no client certificate supplied'] } }

describe('a certificate of an authority that is trusted', () => {
  beforeEach(() => role({ certificate: root.cert }))

  it('logs in', async () => {
    const { status, body } = await login(ann)
    expect({ status, auth: body.auth }).toMatchObject({
      status: 200,
      auth: { policies: ['app', 'default'], metadata: { cert_name: 'app', common_name: 'ann.example.org' } },
    })
    expect(body.auth.metadata.serial_number).toMatch(/^\d+$/)
  })

  it('logs in by way of another authority, if the client sends that along', async () => {
    expect(await login(below)).toEqual(REFUSED)
    expect((await login({ ...below, cert: below.cert + between.cert })).status).toBe(200)
  })

  it.each([
    ['from nobody we know', () => certificate('/CN=ann.example.org', LEAF)],
    ['from another authority of the same name', () => certificate('/CN=ann', LEAF, certificate('/CN=root', AUTHORITY))],
    [
      'issued by one who is no authority',
      () => {
        const made = certificate('/CN=root', LEAF, ann)
        return { ...made, cert: made.cert + ann.cert }
      },
    ],
    [
      'for servers only',
      () => certificate('/CN=ann', ['basicConstraints=CA:FALSE', 'extendedKeyUsage=serverAuth'], root),
    ],
  ])('is refused when it is %s', async (_, make) => {
    expect(await login(make())).toEqual(REFUSED)
  })

  it('is refused when its time is over', async () => {
    const later = await startDevVault({ tls: server, clock: new Clock(() => Date.now() + 3 * DAY) })
    await later.write('sys/auth/cert', { type: 'cert' })
    await later.write('auth/cert/certs/app', { certificate: root.cert })
    await later.write('auth/cert/certs/own', { certificate: ann.cert })
    const before = vault
    vault = later
    try {
      expect(await login(ann)).toEqual(REFUSED)
    } finally {
      vault = before
      await later.close()
    }
  })

  it('is refused without a certificate, and for a role of another name', async () => {
    expect(await login(undefined)).toMatchObject({ body: { errors: ['client certificate must be supplied'] } })
    expect((await login(ann, { name: 'app' })).status).toBe(200)
    expect(await login(ann, { name: 'other' })).toEqual(REFUSED)
  })

  it('that has no name is refused: all of them would be one entity', async () => {
    expect((await login(certificate('/OU=x', LEAF, root))).status).toBe(400)
  })
})

describe('names', () => {
  it.each<[JsonObject, boolean]>([
    [{ allowed_common_names: '*.example.org' }, true],
    [{ allowed_common_names: 'ann' }, false],
    [{ allowed_names: 'x,a.internal' }, true],
    [{ allowed_names: 'spiffe://x/ann' }, false],
    [{ allowed_dns_sans: ['*.internal'] }, true],
    [{ allowed_dns_sans: 'ann.example.org' }, false],
    [{ allowed_email_sans: '*@example.org' }, true],
    [{ allowed_email_sans: 'bob@example.org' }, false],
    [{ allowed_uri_sans: 'spiffe://x/*' }, true],
    [{ allowed_uri_sans: 'spiffe://y/*' }, false],
    [{ allowed_organizational_units: 'dev' }, true],
    [{ allowed_organizational_units: 'sales' }, false],
    [{ allowed_common_names: '*', allowed_organizational_units: 'sales' }, false],
  ])('%j: %s', async (allowed, good) => {
    await vault.write('sys/auth/names', { type: 'cert' }).catch(() => {})
    const fields = { allowed_common_names: '', allowed_names: '', allowed_dns_sans: '', allowed_email_sans: '' }
    const all = { ...fields, allowed_uri_sans: '', allowed_organizational_units: '', ...allowed }
    await vault.write('auth/names/certs/app', { certificate: root.cert, ...all })
    const { status, body } = await call('auth/names/login', {}, { token: '', pair: ann })
    expect(status).toBe(good ? 200 : 400)
    if (!good) expect(body.errors[0]).toContain('no chain matching all constraints')
  })

  it('of other extensions cannot be asked for: a bound that nobody looks at must not seem to be there', async () => {
    await expect(role({ certificate: root.cert, required_extensions: '1.2.3:x' })).rejects.toThrow(/not supported/)
  })
})

describe('a certificate by itself', () => {
  it('logs in, and no other with its name and serial number does', async () => {
    await role({ certificate: alone.cert })
    expect((await login(alone)).status).toBe(200)
    expect(await login(certificate('/CN=alone', LEAF))).toEqual(REFUSED)
    expect(await login(ann)).toEqual(REFUSED)
  })

  it('is one in PEM', async () => {
    await expect(role({ certificate: 'nonsense' })).rejects.toThrow('failed to parse certificate')
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
    await expect(role({ certificate: broken })).rejects.toThrow('failed to parse certificate')
  })
})

describe('a renewal', () => {
  const renew = (token: string, pair?: Pair) => call('auth/token/renew-self', {}, { token, ...(pair && { pair }) })

  it('needs the certificate of the login, or one like it', async () => {
    await role({ certificate: `${root.cert}${alone.cert}` })
    const { client_token: token } = (await login(ann)).body.auth
    expect((await renew(token, ann)).status).toBe(200)
    expect((await renew(token, certificate('/CN=ann.example.org', LEAF, root))).status).toBe(200)
    expect((await renew(token)).status).toBe(500)
    expect((await renew(token, alone)).body.errors[0]).toContain('not matching client identity')
    await vault.write('auth/cert/config', { disable_binding: true })
    expect((await renew(token)).status).toBe(200)
    await vault.write('auth/cert/config', { disable_binding: false })
  })
})

it('without TLS there is no login', async () => {
  const plain = await startDevVault()
  await plain.write('sys/auth/cert', { type: 'cert' })
  await expect(plain.write('auth/cert/login', {})).rejects.toThrow('tls connection required')
  await plain.close()
})
