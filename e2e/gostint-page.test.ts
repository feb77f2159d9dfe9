import { type Browser, chromium } from 'playwright-core'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealJob } from '../src/client/seal.ts'
import { Secret } from '../src/vault/secret.ts'
import { unwrap } from '../src/vault/wrapping.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess
let browser: Browser
/** What is typed into the page. */
let typed: string
beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ WRIT_ACCEPT_REWRAPPED: '1' })
  // as GoStint's own policy has it (gostint.md §5.2): the SecretID may come unwrapped
  const policy = ['auth/approle/role/writ-job/secret-id', 'transit/encrypt/writ-job', 'auth/token/create']
    .map(path => `path "${path}" { capabilities = ["create", "update"] }`)
    .join('\n')
  await vault('sys/policies/acl/page', { policy }, { token: stack.root.reveal() })
  const made = await vault('auth/token/create', { policies: ['default', 'page'] }, { token: stack.root.reveal() })
  typed = made?.auth?.token.reveal() ?? ''
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
}, 60_000)
afterAll(async () => {
  await browser.close()
  await stack.close()
})

type Body = Record<string, unknown>

/** What a page in a browser sends to Vault, with the token that was typed into it. */
async function vault(path: string, body: Body, more: { token?: string; wrapTtl?: string } = {}) {
  const { token = typed, wrapTtl } = more
  const answer = await stack.vault.send({
    method: 'POST',
    path,
    token: new Secret(token),
    body,
    ...(wrapTtl ? { wrapTtl } : {}),
  })
  return answer as { data?: Body; auth?: { token: Secret }; wrap?: { token: Secret } } | null
}

async function api(method: 'GET' | 'POST' | 'DELETE', path: string, token: string, body?: Body) {
  const answer = await request(`${server.address}${path}`, {
    method,
    headers: { 'x-auth-token': token },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return { http: answer.statusCode, ...((await answer.body.json()) as Body) } as Body & { http: number }
}

const loggedIn = async () => {
  const made = await vault('auth/token/create', { policies: ['default'], ttl: '6h', display_name: 'gostint_ui' })
  return made?.auth?.token.reveal() ?? ''
}

/** gostint.md §5.1, the column of the page: the SecretID is unwrapped there, and wrapped anew. */
async function envelope(job: Body) {
  const secretId = (await vault('auth/approle/role/writ-job/secret-id', {}))?.data ?? {}
  const { secret_id, secret_id_accessor } = secretId
  const wrapped = await vault('sys/wrapping/wrap', { secret_id, secret_id_accessor }, { wrapTtl: '300s' })
  const plaintext = Buffer.from(JSON.stringify(job)).toString('base64')
  const { ciphertext } = (await vault('transit/encrypt/writ-job', { plaintext }))?.data ?? {}
  const cubby = await vault('auth/token/create', {
    policies: ['default'],
    ttl: '1h',
    use_limit: 2,
    display_name: 'gostint_cubbyhole',
  })
  const token = cubby?.auth?.token.reveal() ?? ''
  await vault('cubbyhole/job', { payload: ciphertext }, { token })
  return {
    qname: job.qname,
    cubby_token: token,
    cubby_path: 'cubbyhole/job',
    wrap_secret_id: wrapped?.wrap?.token.reveal() ?? '',
  }
}

test('what GoStint’s page calls, from its login to a deleted job, where the server takes what was wrapped anew', async () => {
  const info = await request(`${server.address}/v1/api/vault/info`)
  expect(await info.body.json()).toMatchObject({ vault_external_addr: expect.stringMatching(/^http/) })
  const token = await loggedIn()
  const job = { qname: 'page', container_image: stack.image, run: ['echo', 'from a page'], tty: true }
  const submitted = await api('POST', '/v1/api/job', token, await envelope(job))
  expect(submitted).toMatchObject({ http: 200, status: 'queued', qname: 'page' })
  const id = String(submitted._id)
  await until(
    async () => !['queued', 'running'].includes(String((await api('GET', `/v1/api/job/${id}`, token)).status)),
  )
  expect(await api('GET', `/v1/api/job/${id}`, token)).toMatchObject({ status: 'success', output: 'from a page\r\n' })
  const list = (await api('GET', '/v1/api/job?skip=0', token)) as unknown as { data: Body[]; total: number }
  expect(list.data.map(({ _id }) => _id)).toContain(id)
  expect((await api('DELETE', `/v1/api/job/${id}`, token)).http).toBe(200)
  expect((await api('GET', `/v1/api/job/${id}`, token)).http).toBe(404)

  expect(server.log()).toContain('WRIT_ACCEPT_REWRAPPED')
  const { entry } = await stack.db
    .selectFrom('audit')
    .select('entry')
    .where('job_id', '=', id)
    .orderBy('seq')
    .executeTakeFirstOrThrow()
  expect(JSON.parse(entry)).toMatchObject({ action: 'job.submitted', detail: { rewrapped: true } })
})

test('the attack: an envelope of our own clients says which wrap it goes with, also there', async () => {
  const token = await loggedIn()
  const options = { jobRole: 'writ-job' }
  const body = await sealJob(stack.vault, stack.identities.requestorToken, shell(stack, 'true', {}), options)
  const { data } = await unwrap(stack.vault, new Secret(body.wrap_secret_id ?? ''))
  const again = await vault('sys/wrapping/wrap', data ?? {}, { wrapTtl: '300s' })
  const forged = { ...body, wrap_secret_id: again?.wrap?.token.reveal() }
  expect(await api('POST', '/v1/api/job', token, forged)).toMatchObject({ http: 403, code: 'authority_mismatch' })
})

test('a wrap of something else is refused there too', async () => {
  const { wrap_secret_id: _own, ...rest } = await envelope({ qname: '', container_image: stack.image })
  const other = await vault(
    'auth/approle/role/writ-server/secret-id',
    {},
    { token: stack.root.reveal(), wrapTtl: '300s' },
  )
  const answer = await api('POST', '/v1/api/job', await loggedIn(), {
    ...rest,
    wrap_secret_id: other?.wrap?.token.reveal(),
  })
  expect(answer).toMatchObject({ http: 403, code: 'wrap_foreign' })
})

test('output in a browser is never a page: no script of it runs, wherever it is read', async () => {
  const script = `cat <<'END'\n<!doctype html><html><head><title>page</title></head><body><script>document.title = 'taken'</script><img src=x onerror="document.title = 'taken'">\nEND`
  const client = stack.client(server.address)
  const { _id: id } = await client.submit(shell(stack, script, {}))
  expect((await untilEnded(stack, client, id)).stdout).toContain('<script>')
  const context = await browser.newContext({
    extraHTTPHeaders: { 'x-auth-token': stack.identities.requestorToken.reveal() },
    acceptDownloads: true,
  })
  const page = await context.newPage()
  const dialogs: string[] = []
  page.on('dialog', dialog => dialogs.push(dialog.message()))
  for (const path of ['', '/output', '/output?stream=stdout', '/output?stream=both&offset=0', '?nothing=1']) {
    await page.goto('about:blank')
    // what a browser does not show, it saves
    const saved = page.waitForEvent('download', { timeout: 2_000 }).catch(() => null)
    const shown = await page.goto(`${server.address}/v1/api/job/${id}${path}`).catch(() => null)
    const download = shown ? null : await saved
    expect(Boolean(shown) || Boolean(download), path).toBe(true)
    expect(shown?.headers()['x-content-type-options'] ?? 'nosniff', path).toBe('nosniff')
    expect(shown?.headers()['content-type'] ?? '', path).not.toContain('html')
    expect(await page.title(), path).not.toBe('taken')
    expect(await page.locator('script, img').count(), path).toBe(0)
  }
  // that the browser would have run it
  await page.setContent((await untilEnded(stack, client, id)).stdout)
  await until(async () => (await page.title()) === 'taken')
  expect(dialogs).toEqual([])
  await context.close()
})

test('there is no page of ours with a token in it: paths of GoStint’s page are not found, as JSON', async () => {
  for (const path of ['/', '/login', '/index.html', '/dist/bundle.js']) {
    const answer = await request(`${server.address}${path}`, { headers: { accept: 'text/html' } })
    expect(answer.statusCode).toBe(404)
    expect(answer.headers['content-type']).toContain('application/json')
    await answer.body.dump()
  }
})
