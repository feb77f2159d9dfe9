import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packContent } from '../src/client/pack.ts'
import { authorize, sealJob } from '../src/client/seal.ts'
import type { JobSpec } from '../src/protocol/job.ts'
import { fullImageName } from '../src/server/jobs/image-name.ts'
import type { Secret } from '../src/vault/secret.ts'
import { createToken } from '../src/vault/token.ts'
import { type ServerProcess, type Stack, shell, startStack, untilEnded } from './stack.ts'

/** WRIT_REQUIRE_ACL: who may put what into which queue is a policy in Vault. */
let stack: Stack
let server: ServerProcess
let allowed: Secret
let full: string

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ WRIT_REQUIRE_ACL: '1' })
  full = fullImageName(stack.image) ?? ''
  const policy = `
    path "writ/queues/deploy" { capabilities = ["create"] }
    path "writ/queues/read" { capabilities = ["read", "update", "delete"] }
    path "writ/queues/team%2F*" { capabilities = ["create"] }
    path "writ/images/${full}" { capabilities = ["create"] }
    path "writ/images/registry.example/team/*" { capabilities = ["create"] }`
  await stack.vault.send({ method: 'PUT', path: 'sys/policies/acl/deployer', token: stack.root, body: { policy } })
  allowed = (await createToken(stack.vault, stack.root, { policies: ['default', 'deployer'] })).token
})
afterAll(() => stack.close())

async function submit(form: 'sealed' | 'direct', spec: JobSpec, token = allowed) {
  const requestor = stack.identities.requestorToken
  const options = { jobRole: 'writ-job' }
  const body =
    form === 'sealed'
      ? await sealJob(stack.vault, requestor, spec, options)
      : { ...spec, wrap_secret_id: (await authorize(stack.vault, requestor, options)).reveal() }
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': token.reveal() },
    body: JSON.stringify(body),
  })
  return { http: response.statusCode, ...Object(await response.body.json()) } as Record<string, unknown>
}

const job = (qname: string, image = stack.image): JobSpec => ({
  ...shell(stack, 'echo ran'),
  container_image: image,
  qname,
})

test.each(['sealed', 'direct'] as const)('%s: what the policies allow runs, under its full name', async form => {
  for (const qname of ['deploy', 'Deploy', 'team/x']) {
    const { http, _id } = await submit(form, job(qname))
    expect(http).toBe(200)
    const ended = await untilEnded(stack, stack.client(server.address, stack.root), String(_id))
    expect(ended).toMatchObject({ stdout: 'ran\n', job: { container_image: full } })
  }
})

test.each(['sealed', 'direct'] as const)('%s: other queues and images are refused', async form => {
  for (const qname of ['', 'read', 'other', 'deploy/x', 'team', '..', '*', 'deploy*'])
    expect(await submit(form, job(qname)), qname).toMatchObject({ http: 403, code: 'queue_not_permitted' })
  for (const image of [
    'busybox',
    `${stack.image}x`,
    stack.image.split(':')[0] ?? '',
    'registry.example/other/app',
    'registry.example/team/../other/app',
    'registry.example/team/',
    `a${'a'.repeat(63)}`,
  ])
    expect(await submit(form, job('deploy', image)), image).toMatchObject({ http: 403, code: 'image_not_permitted' })
})

test('a token with nothing but the default policy may submit nothing', async () => {
  const { token } = await createToken(stack.vault, stack.root, { policies: ['default'] })
  expect(await submit('sealed', job('deploy'), token)).toMatchObject({ http: 403, code: 'queue_not_permitted' })
})

test('the image of gostint.yml is checked, and the envelope of a refused job leaves no token behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'writ-acl-'))
  await writeFile(join(folder, 'gostint.yml'), 'container_image: busybox\n')
  const content = await packContent(folder)
  await rm(folder, { recursive: true })
  const living = async () => {
    const listed = await stack.vault.send({ method: 'LIST', path: 'auth/token/accessors/', token: stack.root })
    return ((listed?.data?.keys ?? []) as string[]).length
  }
  const spec = { qname: 'deploy', content, run: ['true'] }
  const before = await living()
  expect(await submit('direct', spec)).toMatchObject({ http: 403, code: 'image_not_permitted' })
  const sealed = await submit('sealed', spec)
  expect(sealed).toMatchObject({ http: 403, code: 'image_not_permitted' })
  // a wrapping token that was looked at and not spent is left from the direct one
  expect(await living()).toBeLessThanOrEqual(before + 1)
})

test('the courier cannot choose: what was sealed is what is checked', async () => {
  const sealed = await sealJob(stack.vault, stack.identities.requestorToken, job('other'), { jobRole: 'writ-job' })
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': allowed.reveal() },
    body: JSON.stringify({ ...sealed, qname: 'deploy', container_image: stack.image }),
  })
  expect(await response.body.json()).toMatchObject({ code: 'queue_mismatch' })
})
