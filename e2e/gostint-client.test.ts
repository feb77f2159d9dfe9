import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Terminal } from './command.ts'
import { tagImage } from './engine.ts'
import { Gostint } from './gostint.ts'
import { until, untilEnded } from './stack.ts'

let user: Gostint
beforeAll(async () => {
  user = await Gostint.open()
})
afterAll(() => user.close())

describe('the end of a job', () => {
  test('success: the output byte for byte, and nothing else', async () => {
    const script = "printf '100%% %%d %%s %%!(EXTRA)\\n\\ttab \\033[32mgreen\\033[0m no line end'"
    expect(await user.run(user.shell(script))).toEqual({
      code: 0,
      stdout: '100% %d %s %!(EXTRA)\n\ttab \u001b[32mgreen\u001b[0m no line end',
      stderr: '',
    })
  })

  test('failure: the state and the output on standard output, without colours in a pipe, the code of the job', async () => {
    expect(await user.run(user.shell('echo half 50%; echo unseen >&2; exit 42'))).toEqual({
      code: 42,
      stdout: '[failed] half 50%\n',
      stderr: '',
    })
  })

  test('a job that could not run: the reason, and 1', async () => {
    const { code, stdout } = await user.run([...user.shell('true'), '-secret-refs=["A@secret/data/none.x"]'])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^\[failed\] .*secret/)
  })

  test('a killed job is waited for through its stopping', async () => {
    const client = user.stack.client(user.server.address)
    const running = user.run([...user.shell('echo up; sleep 60'), '-qname=killed'])
    const mine = async () => (await client.list()).data.find(job => job.qname === 'killed')
    await until(async () => ((await mine())?.output_bytes ?? 0) > 0)
    await client.kill((await mine())?._id ?? '')
    expect(await running).toMatchObject({ code: 143, stdout: '[failed] up\n' })
  })
})

describe('logging in', () => {
  test('a token from a file', async () => {
    await writeFile(join(user.folder, 'token'), `${user.token}\n`)
    const result = await user.run(user.shell('echo in'), { login: ['-vault-token', `@${join(user.folder, 'token')}`] })
    expect(result).toMatchObject({ code: 0, stdout: 'in\n' })
  })

  test('an AppRole, its SecretID from a file; what it logged in with is gone afterwards', async () => {
    const [courier, vault] = [await user.courier(), await user.courier(user.stack.vault.address)]
    await writeFile(join(user.folder, 'secretid'), ` ${user.secretId} \n`)
    const login = [`--vault-roleid=${user.roleId}`, '--vault-secretid', `@${join(user.folder, 'secretid')}`]
    const call = { login, url: courier.address, vault: vault.address }
    expect(await user.run(user.shell('echo in'), call)).toMatchObject({ code: 0, stdout: 'in\n', stderr: '' })
    const made = vault.answers.map(text => text && JSON.parse(text).auth?.client_token).filter(Boolean)
    expect(made.length).toBeGreaterThanOrEqual(3)
    for (const token of made) expect(await user.isAlive(token)).toBe(false)
  })

  test.each(['requestor', 'root'] as const)(
    'the token of the %s lives on, the one for the server does not',
    async whose => {
      const courier = await user.courier()
      const token = whose === 'root' ? user.stack.root.reveal() : user.token
      const call = { url: courier.address, login: [`-vault-token=${token}`] }
      expect(await user.run(user.shell('echo ran'), call)).toMatchObject({ code: 0, stdout: 'ran\n' })
      expect(await user.isAlive(token)).toBe(true)
      const shown = new Set(courier.requests.map(carried => carried.token))
      expect(shown.size).toBe(1)
      expect(shown).not.toContain(token)
      for (const apiToken of shown) expect(await user.isAlive(apiToken)).toBe(false)
    },
  )

  test('the token lives on when a step fails', async () => {
    for (const args of [
      ['-gostint-approle=none', ...user.shell('true')],
      [...user.shell('true'), '-secret-refs=["nonsense"]'],
    ]) {
      expect(await user.run(args)).toMatchObject({ code: 1 })
      expect(await user.isAlive(user.token)).toBe(true)
    }
  })

  test('the arguments are not to be read by others while it runs', async () => {
    const running = user.run(user.shell('sleep 2'))
    let seen: string | undefined
    await until(async () => {
      seen = (await childCommands()).find(command => command.startsWith('gostint-client'))
      return seen !== undefined
    })
    expect(seen?.replaceAll('\0', '')).toBe('gostint-client')
    expect(await running).toMatchObject({ code: 0 })
  })
})

/** The command lines of the programs that this test has started, as the whole machine sees them. */
async function childCommands(): Promise<string[]> {
  const pids = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')
  const reading = pids
    .trim()
    .split(' ')
    .map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
  return await Promise.all(reading)
}

describe('the job', () => {
  test('job-json from a file, with fields that have no flag', async () => {
    const job = { container_image: user.stack.image, run: ['sh', '-c', 'test -t 1 && echo terminal'], tty: true }
    await writeFile(join(user.folder, 'job.json'), JSON.stringify(job))
    const result = await user.run([`-job-json=@${join(user.folder, 'job.json')}`])
    expect(result).toMatchObject({ code: 0, stdout: 'terminal\r\n' })
  })

  test('flags win over job-json: entry point, command, folder, environment, secrets, queue', async () => {
    const job = { qname: 'one', container_image: 'none/such', run: ['false'], secret_file_type: 'json' }
    const script = 'echo $0 $GREETING; pwd; ls /secrets.json; cut -d, -f1 /secrets.json | sed "s/./&_/g"'
    const { code, stdout } = await user.run([
      `-job-json=${JSON.stringify(job)}`,
      '-qname=Two',
      `-image=${user.stack.image}`,
      '-entrypoint=["sh", "-c"]',
      `-run=${JSON.stringify([script, 'zero'])}`,
      '-run-dir=/tmp',
      '-env-vars=["GREETING=hello there"]',
      '-secret-refs=["APP@secret/data/app.password"]',
    ])
    expect(code).toBe(0)
    const [first, ...rest] = stdout.split('\n')
    expect([first, ...rest.slice(0, 2)]).toEqual(['zero hello there', '/tmp', '/secrets.json'])
    expect(stdout.replaceAll(/(.)_/g, '$1')).toContain('{"APP":"tr0ub4dor-and-3"')
    const { data } = await user.stack.client(user.server.address).list()
    expect(data[0]?.qname).toBe('two')
  })

  test('the secrets of a job do not show in its output', async () => {
    const { stdout } = await user.run([
      ...user.shell('grep ^APP /secrets.yml'),
      '-secret-refs=["APP@secret/data/app.password"]',
    ])
    expect(stdout).toBe('APP: ***\n')
  })
})

describe('-content', () => {
  let work: string
  beforeAll(async () => {
    work = join(user.folder, 'work')
    await mkdir(join(work, 'sub/deep'), { recursive: true })
    await writeFile(join(work, 'sub/deep/hello.txt'), 'hello from a file\n')
    await symlink('deep/hello.txt', join(work, 'sub/link'))
    // the image is named here, and nowhere else: a job that runs has read it
    await writeFile(join(work, 'gostint.yml'), `container_image: ${user.stack.image}\n`)
    const terminal = await Terminal.open({})
    await terminal.shell(`cd ${work} && tar czf ../ready.tar.gz --owner=2001 --group=2001 .`)
  })

  const args = [
    '-run=["sh", "-c", "cat /sub/deep/hello.txt /sub/link && stat -c %u:%g /sub && test -d /work || stat -c %u /"]',
  ]

  test.each<[string, string, () => string]>([
    ['the folder one is in', '.', () => work],
    ['a folder below', './work', () => user.folder],
    ['a folder below, with a slash', './work/', () => user.folder],
    ['a folder by its name', 'work', () => user.folder],
    ['a ready archive', 'ready.tar.gz', () => user.folder],
    ['a ready archive', './ready.tar.gz', () => user.folder],
  ])('%s: %s', async (_what, content, cwd) => {
    const { code, stdout, stderr } = await user.run([`-content=${content}`, ...args], { cwd: cwd() })
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'hello from a file\nhello from a file\n2001:2001\n0\n',
      stderr: '',
    })
  })

  test('an absolute path', async () => {
    expect(await user.run([`-content=${work}`, ...args])).toMatchObject({ code: 0 })
  })

  test('what is there is no archive', async () => {
    const { code, stderr } = await user.run([`-content=${join(work, 'gostint.yml')}`, ...args])
    expect(code).toBe(1)
    expect(stderr).toContain('(content_invalid)')
  })
})

describe('-wait=false', () => {
  test('the id, and 0; the job runs by itself', async () => {
    const slow = await user.run([...user.shell('sleep 2'), '-qname=left', '-wait=false'])
    const waiting = await user.run([...user.shell('echo later'), '-qname=left', '-wait=false'])
    expect(slow.code).toBe(0)
    expect(waiting).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\[queued\] [0-9a-f]{24}\n$/), stderr: '' })
    const { stdout } = await untilEnded(user.stack, user.stack.client(user.server.address), waiting.stdout.slice(9, 33))
    expect(stdout).toBe('later\n')
  })

  test('a server that is away after the submission: the job is in the queue all the same', async () => {
    const courier = await user.courier()
    courier.breaks = ({ method }) => method === 'GET'
    const left = await user.run([...user.shell('true'), '-wait=false'], { url: courier.address })
    expect(left).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\[queued\] [0-9a-f]{24}\n$/) })
  })
})

test('docs/gostint-client.md: every command works', async () => {
  const text = await readFile('docs/gostint-client.md', 'utf8')
  const [example = '', ...others] = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, script = '']) => script)
  expect(others).toEqual([])
  await tagImage(user.stack.image, 'busybox')
  const terminal = await Terminal.open({ WRIT_ADDR: user.server.address, VAULT_ADDR: user.stack.vault.address })
  const installed = `gostint-client() { node ${resolve('src/cli/gostint-client/main.ts')} "$@"; }`
  const loggedIn = `printf '%s\\n' ${user.token} >~/.vault-token`
  const result = await terminal.shell([installed, loggedIn, example].join('\n'))
  expect(result).toEqual({ code: 0, stdout: 'hello\n', stderr: '' })
})
