import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxEntries, type ImageEntry, importImage, tarOf } from '../test/busybox-image.ts'
import { type ServerProcess, type Stack, startStack, until } from './stack.ts'

/**
 * What GoStint's own shell tests check (gostint.md §18), told anew: the requests of a shell script with curl and the vault command,
 * and the same questions to the answers. Images that can no longer be had have stand-ins. Where a script looks for the value of a
 * secret in the output, here it is the mask, and the value with its letters apart.
 */
let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ WRIT_KILL_GRACE: '1' })
  const write = (path: string, body: object) => stack.vault.send({ method: 'POST', path, token: stack.root, body })
  await write('sys/mounts/kv', { type: 'kv', options: { version: '1' } }).catch(() => {})
  const values = { 'my-secret': { 'my-value': 's3cr3t' }, 'my-form': { field1: 'value1', KUBECONFIG_BASE64: 'e30K' } }
  for (const [name, data] of Object.entries(values)) {
    await write(`secret/data/${name}`, { data })
    await write(`kv/${name}`, data)
  }
})
afterAll(() => stack.close())

interface Call {
  readonly form: 'cubbyhole' | 'direct'
  readonly job: Record<string, unknown>
}

/** The requests of the scripts: a token of the default policy, a wrapped SecretID for 144 hours, a cubbyhole for two uses. */
async function submit({ form, job }: Call) {
  const send = async (path: string, body: object, options: { wrapTtl?: string; token?: string } = {}) => {
    const headers = {
      'x-vault-token': options.token ?? stack.identities.requestorToken.reveal(),
      ...(options.wrapTtl ? { 'x-vault-wrap-ttl': options.wrapTtl } : {}),
    }
    const answer = await request(`${stack.vault.address}/v1/${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    // biome-ignore lint/suspicious/noExplicitAny: whatever Vault says
    return (answer.statusCode === 204 ? {} : await answer.body.json()) as any
  }
  const token = (await send('auth/token/create', { policies: ['default'] })).auth.client_token
  const wrap = await send('auth/approle/role/writ-job/secret-id', {}, { wrapTtl: '144h' })
  const wrap_secret_id = wrap.wrap_info.token
  if (form === 'direct') return await ask('POST', '', token, { ...job, wrap_secret_id })
  // as base64 of coreutils writes it, with a line end after each 76 characters
  const plaintext = Buffer.from(JSON.stringify(job)).toString('base64').replaceAll(/.{76}/g, '$&\n')
  const { ciphertext } = (await send('transit/encrypt/writ-job', { plaintext })).data
  const cubby = await send('auth/token/create', { policies: ['default'], ttl: '60m', num_uses: 2 })
  const cubby_token = cubby.auth.client_token
  await send('cubbyhole/job', { payload: ciphertext }, { token: cubby_token })
  const body = { qname: job.qname, cubby_token, cubby_path: 'cubbyhole/job', wrap_secret_id }
  return await ask('POST', '', token, body)
}

async function ask(method: 'GET' | 'POST' | 'DELETE', path: string, token: string, body?: object) {
  const answer = await request(`${server.address}/v1/api/job${path}`, {
    method,
    headers: { 'x-auth-token': token, 'content-type': 'application/x-www-form-urlencoded' },
    body: body ? JSON.stringify(body) : null,
  })
  const text = await answer.body.text()
  return { token, text, json: JSON.parse(text) as Record<string, unknown> }
}

async function status(id: unknown, token: string): Promise<string> {
  return String((await ask('GET', `/${id}`, token)).json.status)
}

/** Submitted, queued, there, in the end a success: what nearly every script begins with. Answers the output. */
async function succeeds(call: Call): Promise<{ id: string; token: string; output: string }> {
  const { token, text, json } = await submit(call)
  expect(text).not.toBe('')
  expect(json).toMatchObject({ status: 'queued', qname: String(call.job.qname).toLowerCase() })
  const id = String(json._id)
  expect(id).toMatch(/^[0-9a-f]{24}$/)
  expect(['queued', 'running']).toContain(await status(id, token))
  await until(async () => !['queued', 'running'].includes(await status(id, token)), 40_000)
  const { output, status: last } = (await ask('GET', `/${id}`, token)).json
  expect(last, String(output)).toBe('success')
  return { id, token, output: String(output) }
}

/** Deleted, gone, and an id that is none. */
async function deletes({ id, token }: { id: string; token: string }): Promise<void> {
  expect((await ask('DELETE', `/${id}`, token)).json._id).toBe(id)
  expect((await ask('GET', `/${id}`, token)).text).toContain('Not Found')
  expect((await ask('GET', '/DOESNOTEXIST', token)).text).toContain('Invalid job ID')
}

const script = (name: string, text: string): ImageEntry => ({ name, mode: 0o755, data: `#!/bin/sh\n${text}\n` })

async function standIn(name: string, entries: readonly ImageEntry[], changes: readonly string[] = []): Promise<string> {
  return await importImage(`writ-test/${name}`, await tarOf([...busyboxEntries(), ...entries]), changes)
}

async function content(files: readonly ImageEntry[]): Promise<string> {
  const tar = pack()
  for (const { data = '', ...header } of files) tar.entry({ uid: 2001, gid: 2001, ...header }, data)
  tar.finalize()
  return `targz,${gzipSync(await buffer(tar)).toString('base64')}`
}

const REFS = ['mysecret@secret/data/my-secret.my-value', 'field1@secret/data/my-form.field1']
const V1_REFS = ['mysecret@kv/my-secret.my-value', 'field1@kv/my-form.field1']
/** All of a file, as it is and with its characters apart. */
const show = (file: string) => `cat ${file}; sed 's/./&_/g' ${file}`
const apart = (output: string) => output.replaceAll('_', '')

describe.each(['cubbyhole', 'direct'] as const)('%s', form => {
  test('0100, 1100: a shell command, deleted afterwards', async () => {
    const run = ['sh', '-c', 'ls -la /etc/passwd; cat /etc/passwd; ps -ef']
    const job = { qname: 'play job1', container_image: stack.image, content: '', run, secret_refs: REFS }
    const done = await succeeds({ form, job })
    expect(done.output).toContain('gostint')
    await deletes(done)
  })

  test('0110, 1110: another entry point', async () => {
    const image = await standIn('ansible', [script('bin/ansible', 'echo "$3 | SUCCESS => ping: pong"')])
    const job = {
      qname: 'play job2',
      container_image: image,
      entrypoint: ['ansible'],
      run: ['-m', 'ping', '127.0.0.1'],
      secret_refs: V1_REFS,
    }
    expect((await succeeds({ form, job })).output).toContain('pong')
  })
})

const form = 'cubbyhole'

test('0120: a script among the content reads the secrets', async () => {
  const files = [
    { name: './gostint/', type: 'directory' as const, mode: 0o755 },
    script('./gostint/hello.sh', `${show('/secrets.yml')}; env`),
    { name: './gostint.yml', data: 'secret_refs: []\n' },
  ]
  const job = {
    qname: 'play job3',
    container_image: stack.image,
    content: await content(files),
    run: ['/gostint/hello.sh'],
    secret_refs: REFS,
  }
  const { output } = await succeeds({ form, job })
  expect(output).toContain('mysecret: ***')
  expect(apart(output)).toContain('mysecret: s3cr3t')
})

test('0130: a long sleep is killed', async () => {
  const job = { qname: 'play job4', container_image: stack.image, run: ['sleep', '300'], secret_refs: V1_REFS }
  const { token, json } = await submit({ form, job })
  expect(json).toMatchObject({ status: 'queued', qname: 'play job4' })
  const id = json._id
  await until(async () => (await status(id, token)) !== 'queued')
  expect(await status(id, token)).toBe('running')
  expect((await ask('POST', `/kill/${id}`, token)).json).toMatchObject({ status: 'running', kill_requested: true })
  await until(async () => (await status(id, token)) !== 'running')
  expect(['stopping', 'failed']).toContain(await status(id, token))
  await until(async () => (await status(id, token)) !== 'stopping')
  expect(await status(id, token)).toBe('failed')
})

test('0140: the image is named by the content, the folder of which may be written to', async () => {
  const terraform = script(
    'bin/terraform',
    '[ "$1" != apply ] || { cat main.tf >state && sed s/=/:/ state; echo "greet = Hello World!"; }',
  )
  const image = await standIn('terraform', [terraform], ['ENTRYPOINT ["/bin/terraform"]'])
  const files = [
    { name: './gostint/', type: 'directory' as const, mode: 0o755 },
    { name: './gostint/main.tf', data: 'greet = "x"\n' },
    { name: './gostint.yml', data: `container_image: ${image}\n` },
  ]
  const job = {
    qname: 'play job5',
    content: await content(files),
    entrypoint: ['sh', '-c'],
    run: ['terraform init && terraform plan && terraform apply -auto-approve'],
    working_directory: '/gostint',
    secret_refs: REFS,
  }
  expect((await succeeds({ form, job })).output).toContain('greet = Hello World!')
})

test("0150: the image's own entry point and folder", async () => {
  const play = script('bin/ansible-playbook', `cat "$2" "$3"; ${show('/secrets.yml')}`)
  const folder: ImageEntry = { name: 'tmp/playbook', type: 'directory', mode: 0o755 }
  const changes = ['ENTRYPOINT ["ansible-playbook"]', 'WORKDIR /tmp/playbook']
  const image = await standIn('playbook', [play, folder], changes)
  const files = [
    { name: './tmp/', type: 'directory' as const, mode: 0o1777 },
    { name: './tmp/playbook/', type: 'directory' as const, mode: 0o755 },
    { name: './tmp/playbook/hosts', data: 'localhost\n' },
    { name: './tmp/playbook/play1.yml', data: '- hosts: all\n' },
    { name: './gostint.yml', data: `container_image: ${image}\n` },
  ]
  const job = {
    qname: 'another_q',
    content: await content(files),
    run: ['-i', 'hosts', 'play1.yml'],
    secret_refs: V1_REFS,
  }
  const { output } = await succeeds({ form, job })
  expect(output).toContain('localhost\n- hosts: all\n')
  expect(apart(output)).toContain('s3cr3t')
})

test('0160: secrets as JSON, deleted afterwards', async () => {
  const run = ['sh', '-c', show('/secrets.json')]
  const job = { qname: 'powershell_q', container_image: stack.image, run, secret_file_type: 'json', secret_refs: REFS }
  const done = await succeeds({ form, job })
  expect(done.output).toContain('"mysecret":"***"')
  expect(apart(done.output)).toContain('"mysecret":"s3cr3t"')
  await deletes(done)
})

describe('an image for kubectl', () => {
  /** Its entry point takes the configuration out of the secrets and runs what RUNCMD names (gostint.md §8.4). */
  const KUBECTL = [
    script(
      'bin/entry',
      'grep -q "^KUBECONFIG_BASE64: " /secrets.yml || exit 9\n[ -n "$RUNCMD" ] || RUNCMD=/bin/kubectl\nexec $RUNCMD "$@"',
    ),
    script('bin/kubectl', '[ "$1" = help ] && echo "kubectl controls the Kubernetes cluster manager"'),
    script('bin/helm', '[ "$1" = help ] && echo "To begin working with Helm, run the \'helm init\' command"'),
    { name: 'gostint_image.yml', data: 'secret_refs: ["image_meta_secret_1@secret/data/my-secret.my-value"]\n' },
  ]
  const image = () => standIn('kubectl', KUBECTL, ['ENTRYPOINT ["/bin/entry"]', 'WORKDIR /tmp'])
  const kubeconfig = 'KUBECONFIG_BASE64@kv/my-form.KUBECONFIG_BASE64'

  test('0170: its own command', async () => {
    const job = {
      qname: 'play job8',
      container_image: await image(),
      run: ['help'],
      secret_refs: [...V1_REFS, kubeconfig],
    }
    expect((await succeeds({ form, job })).output).toContain('kubectl controls the Kubernetes cluster manager')
  })

  test('0180: another one, named in its environment', async () => {
    const job = {
      qname: 'play job9',
      container_image: await image(),
      env_vars: ['RUNCMD=/bin/helm'],
      run: ['help'],
      secret_refs: [...REFS, kubeconfig],
    }
    expect((await succeeds({ form, job })).output).toContain("To begin working with Helm, run the 'helm init' command")
  })

  test('0190: secrets of the image, of the content and of the job', async () => {
    const files = [{ name: './gostint.yml', data: 'secret_refs: ["content_meta_secret_1@kv/my-secret.my-value"]\n' }]
    const job = {
      qname: 'play job10',
      container_image: await image(),
      content: await content(files),
      entrypoint: ['/bin/sh', '-x', '-c'],
      run: [`cat /gostint_image.yml; cat /secrets.yml; sed 's/./&~/g' /secrets.yml`],
      secret_refs: ['payload_secret@secret/data/my-secret.my-value', kubeconfig],
    }
    const { output } = await succeeds({ form, job })
    for (const name of ['image_meta_secret_1', 'content_meta_secret_1', 'payload_secret']) {
      expect(output).toContain(`${name}: ***`)
      expect(output.replaceAll('~', '')).toContain(`${name}: s3cr3t`)
    }
  })
})

test('0200: neither content nor references; the job speaks to Vault itself', async () => {
  const run = [
    'sh',
    '-c',
    '[ -n "$VAULT_ADDR" ] && [ -n "$VAULT_TOKEN" ] && [ "$DEBUG" = 1 ] && echo ok=4; cat /secrets.yml',
  ]
  const job = { qname: 'another_q', container_image: stack.image, run, env_vars: ['DEBUG=1'] }
  const { output } = await succeeds({ form, job })
  expect(output).toContain('ok=4')
  expect(output).toContain('TOKEN: ***')
})

test('0010: a client that has logged in by an AppRole submits; two jobs of a queue follow each other', async () => {
  const job = { qname: 'another_q', container_image: stack.image, run: ['sleep', '0.3'] }
  const submitted = [await submit({ form, job }), await submit({ form, job })]
  const [first, second] = await Promise.all(
    submitted.map(async ({ token, json }) => {
      await until(async () => (await status(json._id, token)) === 'success')
      return (await ask('GET', `/${json._id}`, token)).json
    }),
  )
  expect(Date.parse(String(second?.started))).toBeGreaterThanOrEqual(Date.parse(String(first?.ended)))
})
