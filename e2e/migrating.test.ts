import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfSigned } from '../test/certificate.ts'
import { Terminal } from './command.ts'
import { tagImage } from './engine.ts'
import { type Stack, startStack } from './stack.ts'

const PAGE = readFileSync('docs/migrating-from-gostint.md', 'utf8')
const block = (language: string, containing = '') =>
  [...PAGE.matchAll(/^```(\w*)\n(.*?)^```$/gms)].find(
    ([, found, text]) => found === language && text?.includes(containing),
  )?.[2] ?? ''

let stack: Stack
let folder: string
beforeAll(async () => {
  stack = await startStack()
  folder = await mkdtemp(join(tmpdir(), 'writ-migrating-'))
  await tagImage(stack.image, 'busybox')
})
afterAll(async () => {
  await stack.close()
  await rm(folder, { recursive: true, force: true })
})

const asRoot = async (method: 'GET' | 'POST' | 'PUT', path: string, body?: Record<string, unknown>) =>
  await stack.vault.send({ method, path, token: stack.root, ...(body ? { body } : {}) })

/** As GoStint's own set-up leaves a Vault behind (gostint.md §14), under names that no other test uses. */
async function gostintVault(): Promise<{ kv: string; role: string; requestor: string }> {
  const mark = randomUUID().slice(0, 8)
  const names = { kv: `kv-${mark}`, role: `gostint-role-${mark}` }
  await asRoot('POST', `sys/mounts/${names.kv}`, { type: 'kv', options: { version: '2' } })
  await asRoot('POST', `transit/keys/${names.role}`, {})
  await asRoot('PUT', `sys/policies/acl/${names.role}-kv`, {
    policy: `path "${names.kv}/*" { capabilities = ["read"] }`,
  })
  await asRoot('PUT', `sys/policies/acl/${names.role}-transit`, {
    policy: `path "transit/decrypt/${names.role}" { capabilities = ["update"] }`,
  })
  await asRoot('POST', `auth/approle/role/${names.role}`, {
    secret_id_ttl: '24h',
    secret_id_num_uses: 10_000,
    token_num_uses: 10,
    token_ttl: '20m',
    token_max_ttl: '30m',
    token_policies: [`${names.role}-kv`, `${names.role}-transit`],
  })
  await asRoot('PUT', `sys/policies/acl/${names.role}-client`, {
    policy: `path "auth/token/create" { capabilities = ["create", "update"] }
      path "auth/approle/role/${names.role}/secret-id" { capabilities = ["update"] }
      path "transit/encrypt/${names.role}" { capabilities = ["update"] }`,
  })
  await asRoot('POST', `${names.kv}/data/my-secret`, { data: { 'my-value': 's3cr3t' } })
  const made = await asRoot('POST', 'auth/token/create', { policies: [`${names.role}-client`], ttl: '20m' })
  return { ...names, requestor: made?.auth?.token.reveal() ?? '' }
}

test('docs/migrating-from-gostint.md, from top to bottom', async () => {
  const { kv, role, requestor } = await gostintVault()
  const here = (text: string) => text.replaceAll('gostint-role', role).replaceAll('kv/data', `${kv}/data`)
  const before = await asRoot('GET', `auth/approle/role/${role}`)
  const admin = await Terminal.open({ VAULT_ADDR: stack.vault.address, VAULT_TOKEN: stack.root.reveal() })

  const setUp = await admin.shell(here(block('sh', '--apply')))
  expect(setUp).toMatchObject({ code: 0 })
  const ids = Object.fromEntries(
    setUp.stdout
      .trim()
      .split('\n')
      .map(line => line.split('=')),
  )
  expect(await asRoot('GET', `auth/approle/role/${role}`), 'the old role is as it was').toMatchObject({
    data: before?.data,
  })

  // the second block uses the vault command: here what it prints, and what it asks for by HTTP
  const [printing = '', secretIdCommand = ''] = here(block('sh', '-field=secret_id')).trim().split('\n')
  expect((await admin.shell(printing)).stdout).toContain('transit/keys/writ-server')
  const [, path = '', file = ''] = /^\(umask 077; .* -f -field=secret_id (\S+) > (\S+)\)$/.exec(secretIdCommand) ?? []
  const answer = await asRoot('POST', path, {})
  await writeFile(join(folder, file), `${answer?.data?.secret_id}\n`)

  const certificate = selfSigned()
  await writeFile(join(folder, 'cert.pem'), certificate.cert)
  await writeFile(join(folder, 'key.pem'), certificate.key)
  const settings = Object.fromEntries(
    here(block('env'))
      .replace(/<(\w+)>/g, (_, name) => ids[name])
      .trim()
      .split('\n')
      .map(line => line.split('=', 2) as [string, string]),
  )
  for (const name of ['WRIT_SECRET_ID_FILE', 'GOSTINT_SSL_CERT', 'GOSTINT_SSL_KEY']) {
    settings[name] = join(folder, settings[name] ?? '')
  }
  const server = await stack.startServer({
    ...settings,
    VAULT_ADDR: stack.vault.address,
    DATABASE_URL: stack.database.url,
    WRIT_LISTEN_HOST: '127.0.0.1',
    GOSTINT_PORT: '0',
    WRIT_PORT: '',
    WRIT_JOB_ROLE: '',
    WRIT_JOB_ROLE_ID: '',
  })
  expect(server.address).toMatch(/^https:/)

  const user = await Terminal.open({
    VAULT_ADDR: stack.vault.address,
    WRIT_ADDR: server.address,
    NODE_EXTRA_CA_CERTS: join(folder, 'cert.pem'),
  })
  const client = process.env.WRIT_TEST_GOSTINT_CLIENT
  const ours = `${process.execPath} ${resolve('src/cli/gostint-client/main.ts')}`
  const job = here(block('sh', 'gostint-client'))
    .replace('gostint-client', client ?? ours)
    .replace('-image', `-gostint-approle=${role} -image`)
  const ran = await user.shell(`printf '%s\\n' '${requestor}' > token\n${job}`)
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('mysecret: ***\n') })
  expect(ran.stdout).not.toContain('s3cr3t')
})
