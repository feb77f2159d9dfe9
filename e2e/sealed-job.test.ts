import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../src/client/client.ts'
import { packContent } from '../src/client/pack.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess
let client: Client

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  client = stack.client(server.address)
  await stack.vault.send({
    method: 'POST',
    path: 'secret/data/app',
    token: stack.root,
    body: { data: { password: 'tr0ub4dor-and-3', port: 5432, 'with-dash': 'dashing-value' } },
  })
})
afterAll(() => stack.close())

describe.each(['sealed', 'direct'] as const)('%s', form => {
  const submit = (spec: Parameters<Client['submit']>[0]) =>
    form === 'sealed' ? client.submit(spec) : client.submitDirect(spec)

  test.each([
    ['true', 0, 'success'],
    ['exit 1', 1, 'failed'],
    ['exit 42', 42, 'failed'],
    ['kill -9 $$', 137, 'failed'],
  ])('%s ends with %i', async (script, code, status) => {
    const { _id } = await submit(shell(stack, script))
    const { job } = await untilEnded(stack, client, _id)
    expect(job).toMatchObject({ status, return_code: code, error_code: '' })
  })

  test('standard output and error arrive apart, in the stream and in the answer', async () => {
    const { _id } = await submit(shell(stack, 'echo out; echo err >&2; printf last'))
    const ended = await untilEnded(stack, client, _id)
    expect(ended).toMatchObject({ stdout: 'out\nlast', stderr: 'err\n' })
    expect(ended.job).toMatchObject({ output: 'out\nlast', stderr: 'err\n' })
  })

  test('secrets are in /secrets.yml, env_vars and content are there, the user is gostint', async () => {
    const { _id } = await submit(
      shell(stack, 'cat /secrets.yml | sed "s/./&_/g"; echo $GREETING; whoami; /deploy.sh | head -1; pwd', {
        content: await packContent('demo/job'),
        env_vars: ['GREETING=hello there'],
        secret_refs: ['PW@secret/data/app.password', 'PORT@secret/data/app.port'],
        working_directory: '/tmp',
      }),
    )
    const { stdout, job } = await untilEnded(stack, client, _id)
    // each character apart, so that what the job was given is seen although its output is masked
    const plain = stdout.replaceAll(/(.)_/g, '$1')
    expect(job.status).toBe('success')
    expect(plain).toContain('\nPW: tr0ub4dor-and-3\n')
    expect(plain).toContain('\nPORT: "5432"\n')
    expect(plain).toMatch(/\nTOKEN: \S{10,}\n/)
    expect(plain).toContain('hello there\ngostint\nhello from a container, as gostint')
    expect(plain).toContain('/tmp\n')
  })

  test('the other form of the file: JSON', async () => {
    const { _id } = await submit(
      shell(stack, 'sed "s/./&_/g" /secrets.json', {
        secret_file_type: 'json',
        secret_refs: ['D@secret/data/app.with-dash'],
      }),
    )
    const { stdout } = await untilEnded(stack, client, _id)
    const file = JSON.parse(stdout.replaceAll(/(.)_/g, '$1'))
    expect(Object.keys(file)).toEqual(['D', 'TOKEN'])
    expect(file.D).toBe('dashing-value')
  })

  test('secrets in the output are masked, and counted by name', async () => {
    const script = 'cat /secrets.yml; grep ^PW /secrets.yml | cut -c5- | tr -d "\\n" | base64'
    const { _id } = await submit(shell(stack, script, { secret_refs: ['PW@secret/data/app.password'] }))
    const { stdout, job } = await untilEnded(stack, client, _id)
    expect(stdout).not.toContain('tr0ub4dor')
    expect(stdout).not.toContain(Buffer.from('tr0ub4dor-and-3').toString('base64').slice(0, 12))
    expect(stdout).toContain('PW: ***\n')
    expect(job.masked).toMatchObject({ PW: 2, TOKEN: 1 })
  })

  test('the token of a job is revoked when it is over', async () => {
    const { _id } = await submit(shell(stack, 'printf "$VAULT_TOKEN" | sed "s/./&_/g"'))
    const { stdout } = await untilEnded(stack, client, _id)
    const token = stdout.replaceAll(/(.)_/g, '$1')
    expect(token.length).toBeGreaterThan(10)
    const found = await stack.vault
      .send({ method: 'POST', path: 'auth/token/lookup', token: stack.root, body: { token } })
      .catch(error => error.kind)
    expect(found).toBe('denied')
  })
})

test('output is there while the job runs, and can be had again from any offset', async () => {
  const { _id } = await client.submit(shell(stack, 'for i in 1 2 3 4; do echo line $i; sleep 0.4; done'))
  const arrivals: number[] = []
  let text = ''
  for await (const event of client.follow(_id)) {
    if (event.kind !== 'output') break
    arrivals.push(Date.now())
    text += Buffer.from(event.data).toString()
  }
  expect(text).toBe('line 1\nline 2\nline 3\nline 4\n')
  expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(900)
  for (const offset of [0, 1, 6, 7, 13, 27, 28]) {
    let rest = ''
    for await (const event of client.follow(_id, offset)) {
      if (event.kind === 'output') rest += Buffer.from(event.data).toString()
    }
    expect(rest).toBe(text.slice(offset))
  }
})

test('five jobs of one queue run one after another and in order, while another queue runs on', async () => {
  const script = (name: string) => `echo start ${name} $(date +%s%N | cut -c1-13); sleep 0.3; echo end`
  const serial: string[] = []
  for (const name of ['1', '2', '3', '4', '5']) {
    serial.push((await client.submit(shell(stack, script(name), { qname: 'Serial' })))._id)
  }
  const other = (await client.submit(shell(stack, script('other'), { qname: 'other' })))._id
  const otherEnd = await untilEnded(stack, client, other)
  const runs = []
  for (const id of serial) runs.push((await untilEnded(stack, client, id)).job)
  expect(runs.map(job => job.output.split(' ')[1])).toEqual(['1', '2', '3', '4', '5'])
  expect(runs.every(job => job.qname === 'serial')).toBe(true)
  for (const [index, job] of runs.entries()) {
    const before = runs[index - 1]
    if (before) expect(Date.parse(job.started)).toBeGreaterThanOrEqual(Date.parse(before.ended))
  }
  expect(Date.parse(otherEnd.job.ended)).toBeLessThan(Date.parse(runs[4]?.started ?? ''))
})

test('a kill while it runs: SIGTERM, the grace, SIGKILL', async () => {
  const { _id } = await client.submit(shell(stack, "trap '' TERM; echo up; while :; do sleep 1; done"))
  await until(async () => (await client.get(_id)).output_bytes > 0)
  const asked = Date.now()
  const answer = await client.kill(_id)
  expect(answer).toMatchObject({ status: 'running', kill_requested: true })
  expect(answer.container_id).not.toBe('')
  const { job } = await untilEnded(stack, client, _id)
  expect(job).toMatchObject({ status: 'failed', return_code: 137, error_code: 'job_killed' })
  // a grace of one second, and two for everything else
  expect(Date.now() - asked).toBeLessThan(3_000)
})

test('a kill while it waits: it never runs, and the queue goes on', async () => {
  const first = await client.submit(shell(stack, 'sleep 1', { qname: 'kill' }))
  const second = await client.submit(shell(stack, 'echo never', { qname: 'kill' }))
  const third = await client.submit(shell(stack, 'echo after', { qname: 'kill' }))
  expect(await client.kill(second._id)).toMatchObject({ status: 'queued', container_id: '' })
  const { job, stdout } = await untilEnded(stack, client, second._id)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_killed' })
  expect(stdout).toBe('')
  expect((await untilEnded(stack, client, first._id)).job.status).toBe('success')
  expect((await untilEnded(stack, client, third._id)).stdout).toBe('after\n')
})

test('an ended job can be deleted, a running one not', async () => {
  const { _id } = await client.submit(shell(stack, 'sleep 1'))
  await until(async () => (await client.get(_id)).status === 'running')
  await expect(client.remove(_id)).rejects.toMatchObject({ code: 'job_running', status: 400 })
  await untilEnded(stack, client, _id)
  await client.remove(_id)
  await expect(client.get(_id)).rejects.toMatchObject({ code: 'job_not_found', status: 404 })
})

test('deleting a job that waits cancels it and ends its token', async () => {
  const first = await client.submit(shell(stack, 'sleep 1', { qname: 'cancel' }))
  const second = await client.submit(shell(stack, 'echo never', { qname: 'cancel' }))
  const row = await stack.db.selectFrom('jobs').select('token_accessor').where('id', '=', second._id).executeTakeFirst()
  await client.remove(second._id)
  await expect(client.get(second._id)).rejects.toMatchObject({ code: 'job_not_found' })
  const body = { accessor: row?.token_accessor }
  await expect(
    stack.vault.send({ method: 'POST', path: 'auth/token/lookup-accessor', token: stack.root, body }),
  ).rejects.toThrow()
  expect((await untilEnded(stack, client, first._id)).job.status).toBe('success')
})

test('a job that cannot run says why: no such secret, key, image, command', async () => {
  const failing = async (spec: Parameters<Client['submit']>[0]) => {
    const { _id } = await client.submit(spec)
    const { job } = await untilEnded(stack, client, _id)
    expect(job.status).toBe('failed')
    expect(job.output).not.toBe('')
    return job.error_code
  }
  expect(await failing(shell(stack, 'true', { secret_refs: ['A@secret/data/none.x'] }))).toBe('secret_not_found')
  expect(await failing(shell(stack, 'true', { secret_refs: ['A@secret/data/app.none'] }))).toBe('secret_not_found')
  expect(await failing(shell(stack, 'true', { secret_refs: ['A@sys/mounts.x'] }))).toBe('secret_refused')
  expect(await failing({ container_image: 'localhost:1/none', run: ['true'] })).toBe('image_not_found')
  expect(await failing({ container_image: stack.image, run: ['true'], working_directory: '/etc/passwd' })).toBe(
    'container_refused',
  )
})

test('a missing command is an exit code of the container, as in a shell', async () => {
  const { _id } = await client.submit({ container_image: stack.image, run: ['/no/such/command'] })
  expect((await untilEnded(stack, client, _id)).job).toMatchObject({ status: 'failed', return_code: 127 })
})

test('much output: the stream has all of it, the answer says where it is cut, the server stays small', async () => {
  const { _id } = await client.submit(shell(stack, 'yes 0123456789abcdef | head -c 20000000'))
  const { job, stdout } = await untilEnded(stack, client, _id)
  expect(stdout).toBe('0123456789abcdef\n'.repeat(1_176_471).slice(0, 20_000_000))
  expect(job.output.length).toBeLessThan(6_000_000)
  expect(job.output).toMatch(/\n\[writ: 1\d{7} bytes are left out here\]\n/)
  expect(job.output_bytes).toBe(20_000_000)
})

test('more memory than allowed: ended, and told why', async () => {
  const { _id } = await client.submit(shell(stack, 'echo before; exec dd if=/dev/zero of=/dev/null bs=300M'))
  const { job } = await untilEnded(stack, client, _id)
  expect(job).toMatchObject({ status: 'failed', return_code: 137, error_code: 'out_of_memory', output: 'before\n' })
})

test('a network is there when one is asked for, and none otherwise', async () => {
  const networked = await stack.startServer({ WRIT_JOB_NETWORK: 'bridge' })
  await server.stop('SIGTERM')
  const interfaces = async (address: string) => {
    const other = stack.client(address)
    const { _id } = await other.submit(shell(stack, 'ls /sys/class/net'))
    return (await untilEnded(stack, other, _id)).stdout.trim().split(/\s+/)
  }
  expect(await interfaces(networked.address)).toContain('eth0')
  await networked.stop('SIGTERM')
  server = await stack.startServer()
  client = stack.client(server.address)
  expect(await interfaces(server.address)).toEqual(['lo'])
})
