import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSigned } from '../test/certificate.ts'
import { FakeServer, json } from '../test/fake-server.ts'
import { type Call, Gostint } from './gostint.ts'
import { type ServerProcess, untilEnded } from './stack.ts'

let user: Gostint
beforeAll(async () => {
  user = await Gostint.open()
})
afterAll(() => user.close())

describe('what goes wrong', () => {
  test('a submission that is refused: why, what to do, 1', async () => {
    const { code, stdout, stderr } = await user.run([...user.shell('true'), '-secret-refs=["nonsense"]'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^Error: secret ref unparseable.*\(secret_ref_invalid\)\nnext: Write NAME@path\.key/)
  })

  test.each([
    [
      400,
      { status: 'Invalid job request.', error: 'wrapping token must be present' },
      'wrapping token must be present',
    ],
    [500, { status: 'Internal Error.' }, 'Internal Error.'],
  ])("the words of GoStint's server: %i %j", async (status, body, message) => {
    const old = await FakeServer.listen(response => json(response, status, body))
    const { code, stdout, stderr } = await user.run(user.shell('true'), { url: old.address })
    await old.close()
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(`Error: ${message} (http_${status})\n`)
    expect(old.seen).toHaveLength(1)
  })

  test('an address with a path in front: a proxy for several servers', async () => {
    const ended = { _id: 'a'.repeat(24), status: 'success', output: 'in', return_code: 0 }
    const proxy = await FakeServer.listen(response => json(response, 200, ended))
    for (const path of ['/gostint', '/gostint/']) {
      expect(await user.run(user.shell('true'), { url: `${proxy.address}${path}` })).toMatchObject({
        code: 0,
        stdout: 'in',
      })
    }
    await proxy.close()
    const asked = new Set(proxy.seen.map(({ method, url }) => `${method} ${url}`))
    expect([...asked].sort()).toEqual([`GET /gostint/v1/api/job/${ended._id}`, 'POST /gostint/v1/api/job'])
  })

  test.each<[string, string[], Call, RegExp]>([
    ['no server', [], { url: 'http://127.0.0.1:1' }, /^Error: no answer from http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/],
    ['no Vault', [], { vault: 'http://127.0.0.1:1' }, /^Error: Vault did not answer.*\nnext: Check -vault-url/],
    [
      'a wrong token',
      [],
      { login: ['-vault-token=s.wrong'] },
      /^Error: Vault 403 on auth\/token\/lookup-self.*\nnext: Check/,
    ],
    [
      'a wrong SecretID',
      [],
      { login: ['-vault-roleid=x', '-vault-secretid=y'] },
      /^Error: Vault 400 on auth\/approle\/login/,
    ],
    ['another role', ['-gostint-approle=none'], {}, /^Error: Vault 403 on auth\/approle\/role\/none\/secret-id/],
    ['no array', ['-run=echo'], {}, /^Error: -run is not a JSON array/],
    ['no credentials', [], { login: [] }, /^Error: -vault-token, or -vault-roleid and -vault-secretid, is needed\n$/],
  ])('%s: a sentence, 1, no stack trace', async (_what, args, call, message) => {
    const { code, stdout, stderr } = await user.run([...user.shell('true'), ...args], call)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  test('a flag that there is not, and -h: the usage, 2', async () => {
    const wrong = await user.run(['-no-such-flag'])
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toMatch(
      /^flag provided but not defined: -no-such-flag\nUsage of gostint-client:\n {2}-cont-on/,
    )
    const help = await user.run(['-h'])
    expect(help).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^Usage of gostint-client:\n/) })
  })

  test('VAULT_ADDR stands in for -vault-url', async () => {
    const env = { VAULT_ADDR: user.stack.vault.address }
    expect(await user.run(user.shell('echo in'), { vault: '', env })).toMatchObject({ code: 0, stdout: 'in\n' })
  })

  test('a connection that breaks while it waits: told once, and then the end of the job', async () => {
    const courier = await user.courier()
    let looks = 0
    courier.breaks = ({ method }) => {
      if (method === 'GET') looks += 1
      return method === 'GET' && looks < 4
    }
    const result = await user.run([...user.shell('sleep 1; echo end')], { url: courier.address })
    expect(result).toMatchObject({ code: 0, stdout: 'end\n' })
    expect(result.stderr).toMatch(/^no answer from \S+ \(\w+\); trying again\n$/)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s: it leaves, the job goes on, and no token is left over',
    async signal => {
      const courier = await user.courier()
      const onOutput = (text: string) => (text.includes(': running') ? signal : undefined)
      const call = { url: courier.address, onOutput }
      const { code, stderr } = await user.run([...user.shell('sleep 1; echo done'), '-debug'], call)
      expect(code).toBe(signal === 'SIGINT' ? 130 : 143)
      const [, id = ''] = /^job ([0-9a-f]{24}) was submitted and goes on by itself\n$/.exec(stderr) ?? []
      expect(await user.isAlive(courier.requests[0]?.token ?? '')).toBe(false)
      expect((await untilEnded(user.stack, user.stack.client(user.server.address), id)).stdout).toBe('done\n')
    },
  )
})

describe('what others see', () => {
  test('a courier: ciphertext, the name of the queue, tokens for one use; nothing of the job', async () => {
    const courier = await user.courier()
    const content = join(user.folder, 'canary')
    await mkdir(content, { recursive: true })
    await writeFile(join(content, 'canary-file'), 'canary-content')
    const { code } = await user.run(
      [
        ...user.shell('echo canary-command; env; ls /'),
        '-qname=canaries',
        '-entrypoint=[]',
        '-run-dir=/tmp',
        '-env-vars=["CANARY_NAME=canary-value"]',
        '-secret-refs=["CANARY_REF@secret/data/app.password"]',
        '-secret-filetype=json',
        `-content=${content}`,
        '-job-json={"canary_field": "canary-more", "tty": true}',
      ],
      { url: courier.address },
    )
    expect(code).toBe(0)
    const posts = courier.requests.filter(({ method }) => method === 'POST')
    expect(posts).toHaveLength(1)
    const { body = '', url } = posts[0] ?? {}
    expect(url).toBe('/v1/api/job')
    const sent = JSON.parse(body)
    expect(Object.keys(sent).sort()).toEqual(['cubby_path', 'cubby_token', 'qname', 'wrap_secret_id'])
    expect(sent).toMatchObject({ qname: 'canaries', cubby_path: 'cubbyhole/job' })
    const secrets = [user.token, 'tr0ub4dor', 'canary', 'CANARY', user.stack.image, '/tmp']
    const plain = body.replace('"qname":"canaries"', '')
    for (const secret of secrets) {
      expect(plain).not.toContain(secret)
      expect(plain).not.toContain(Buffer.from(secret).toString('base64').replace(/.?=*$/, ''))
    }
    // what it can take out of the cubbyhole has been taken
    expect(await user.isAlive(sent.cubby_token)).toBe(false)
  })

  test("only GoStint's own routes are used", async () => {
    const courier = await user.courier()
    await user.run(user.shell('true'), { url: `${courier.address}/` })
    const routes = new Set(
      courier.requests.map(({ method, url }) => `${method} ${url.replace(/[0-9a-f]{24}$/, '{id}')}`),
    )
    expect([...routes].sort()).toEqual(['GET /v1/api/job/{id}', 'POST /v1/api/job'])
  })

  test('-debug: every step, and none of the tokens that went past', async () => {
    const vault = await user.courier(user.stack.vault.address)
    const courier = await user.courier()
    const login = [`-vault-roleid=${user.roleId}`, `-vault-secretid=${user.secretId}`]
    const call = { vault: vault.address, url: courier.address, login }
    const { code, stdout, stderr } = await user.run([...user.shell('echo visible; exit 3'), '-debug'], call)
    expect(code).toBe(3)
    for (const step of ['logged in', 'sealing', ': queued', ': failed, return code 3', 'revoked'])
      expect(stdout).toContain(step)
    const fields =
      /"(?:client_token|token|secret_id|accessor|secret_id_accessor|ciphertext|payload|cubby_token)":"([^"]{8,})"/g
    const passed = [
      ...vault.answers,
      ...vault.requests.map(({ body }) => body),
      ...courier.requests.map(({ body }) => body),
    ]
    const secrets = passed.flatMap(text => [...text.matchAll(fields)].map(([, value = '']) => value))
    expect(new Set(secrets).size).toBeGreaterThan(7)
    for (const secret of [...secrets, user.secretId, user.roleId]) expect(stdout + stderr).not.toContain(secret)
  })
})

describe('TLS', () => {
  let secure: ServerProcess
  let path: string
  beforeAll(async () => {
    const { cert, key } = selfSigned()
    path = join(user.folder, 'cert.pem')
    await writeFile(path, cert)
    await writeFile(join(user.folder, 'key.pem'), key, { mode: 0o600 })
    secure = await user.stack.startServer({ WRIT_TLS_CERT: path, WRIT_TLS_KEY: join(user.folder, 'key.pem') })
  })

  test('an authority that nobody knows is not trusted, and gets no token', async () => {
    const { code, stderr } = await user.run(user.shell('true'), { url: secure.address })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^Error: no answer from https:\S+ \(DEPTH_ZERO_SELF_SIGNED_CERT\).*\nnext: .*WRIT_CACERT/)
  })

  test('WRIT_CACERT names the authority', async () => {
    const call = { url: secure.address, env: { WRIT_CACERT: path } }
    expect(await user.run(user.shell('echo in'), call)).toEqual({ code: 0, stdout: 'in\n', stderr: '' })
  })

  test('GOSTINT_SKIP_VERIFY=1 trusts everybody, and says so', async () => {
    const call = { url: secure.address, env: { GOSTINT_SKIP_VERIFY: '1' } }
    const result = await user.run(user.shell('echo in'), call)
    expect(result).toMatchObject({ code: 0, stdout: 'in\n' })
    expect(result.stderr).toMatch(/^warning: GOSTINT_SKIP_VERIFY=1: .*\n$/)
  })
})
