import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeServer, json } from '../test/fake-server.ts'
import { Terminal } from './command.ts'
import { type ServerProcess, type Stack, startStack } from './stack.ts'

let stack: Stack
let server: ServerProcess
let terminal: Terminal

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  terminal = await Terminal.open(stack.environment(server.address))
  const client = stack.client(server.address)
  for (const queue of ['one', 'one', 'one', 'two', '']) {
    const run = ['false']
    await client.submit({ container_image: 'none.invalid/x:1', image_pull_policy: 'Never', run, qname: queue })
  }
})
afterAll(() => stack.close())

async function list(...options: string[]) {
  const { code, stdout, stderr } = await terminal.writ('ls', '--json', ...options)
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as { data: { _id: string; qname: string; status: string }[]; next: string }
}

test('ls: by queue, by time, by state', async () => {
  expect((await list('--queue', 'one')).data).toHaveLength(3)
  expect((await list('--qname', 'two')).data).toHaveLength(1)
  expect((await list('--queue', '')).data).toHaveLength(1)
  expect((await list('--since', '1h')).data).toHaveLength(5)
  expect((await list('--since', new Date(Date.now() + 60_000).toISOString())).data).toEqual([])
  expect((await list('--status', 'success')).data).toEqual([])
  expect((await list('--status', 'queued,running,stopping,failed')).data).toHaveLength(5)
})

test('ls: page by page, nothing twice and nothing left out', async () => {
  const seen: string[] = []
  let cursor: string[] = []
  for (;;) {
    const page = await list('--limit', '2', ...cursor)
    seen.push(...page.data.map(job => job._id))
    if (!page.next) break
    expect(page.data).toHaveLength(2)
    cursor = ['--cursor', page.next]
  }
  expect(seen).toEqual((await list()).data.map(job => job._id))
  expect(seen).toHaveLength(5)
})

test.each<[string, (page: number) => object]>([
  ['pages with nothing on them', page => ({ data: [], next: `c${page}` })],
  ['the same page again and again', () => ({ data: [{ _id: 'x' }], next: 'c' })],
  ['pages that go round', page => ({ data: [{ _id: 'x' }], next: `c${page % 3}` })],
  ['no page at all', () => ({ data: null, next: 'c' })],
  ['a cursor that is none', page => ({ data: [{ _id: 'x' }], next: { page } })],
])('ls: a courier that answers %s is not asked for ever', { timeout: 20_000 }, async (_what, page) => {
  const courier = await FakeServer.listen((response, _, count) => json(response, 200, page(count)))
  const args = ['ls', '--json', '--limit', '1000000', '--server', courier.address]
  const { code, stdout, stderr } = await terminal.writ(...args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^writ: .*\(list_invalid\)\nnext: /)
  expect(courier.seen.length).toBeLessThan(10)
  await courier.close()
})

test('ls: no more than was asked for, and where it goes on can be typed as it is shown', async () => {
  const row = { _id: 'x', status: 'queued', return_code: 0, qname: '', container_image: '', submitted: '' }
  const courier = await FakeServer.listen(response =>
    json(response, 200, { data: Array(50).fill(row), next: "a'b $(touch evaluated)" }),
  )
  const { stdout, stderr } = await terminal.writ('ls', '--limit', '2', '--server', courier.address)
  expect(stdout.split('\n')).toHaveLength(3)
  expect(stderr).toContain(`--cursor 'a'\\''b $(touch evaluated)'\n`)
  await courier.close()
})

test('ls in a pipe: a row for each job, tabs between the cells, and where it goes on', async () => {
  const { stdout, stderr } = await terminal.writ('ls', '--limit', '2')
  expect(stdout).toMatch(/^([0-9a-f]{24}\t\w+\t\d+\t[\w-]+\t[^\t\n]+\t20[^\t\n]+\n){2}$/)
  expect(stderr).toMatch(/^▸ there are more: the same command with --cursor \S+\n$/)
})

test.each([
  ['--since', 'yesterday', '--since 2h'],
  ['--limit', '0', 'not a whole number from 1'],
  ['--skip', '-1', 'not a whole number'],
])('ls %s %s: refused before anything is asked', async (option, value, message) => {
  const { code, stderr } = await terminal.writ('ls', option, value)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test('ls: a state that there is not is refused by the server, with what to do', async () => {
  const { code, stderr } = await terminal.writ('ls', '--status', 'lost')
  expect(code).toBe(1)
  expect(stderr).toMatch(/\(query_invalid\)\nnext: /)
})

test('queues: those that one may read by policy', async () => {
  const root = await Terminal.open(stack.environment(server.address, stack.root))
  const { stdout } = await root.writ('queues')
  expect(stdout).toMatch(/^one\t\d\t\d\t\S+$/m)
  expect(stdout).toMatch(/^-\t\d\t\d\t\S+$/m)
  const { data } = JSON.parse((await root.writ('queues', '--json')).stdout)
  expect(data.map((queue: { qname: string }) => queue.qname)).toEqual(['', 'one', 'two'])
  expect(await terminal.writ('queues', '--json')).toMatchObject({ code: 0, stdout: '{"data":[]}\n' })
})

const submit = (...options: string[]) =>
  terminal.writ('submit', '--json', '--image', stack.image, ...options, '--', 'true')

test.each(['\u001b[2Jx', 'a --server http://evil', '', 7, null])('a courier that names the job %j', async _id => {
  const courier = await FakeServer.listen(response => json(response, 200, { _id, qname: '', ignored_fields: [] }))
  for (const command of ['submit', 'run']) {
    const { code, stdout, stderr } = await terminal.writ(command, '--server', courier.address, '--image', 'x')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^writ: .*\(not_a_job\)\nnext: /)
  }
  await courier.close()
})

test('--idempotency-key: a second submission does not run', async () => {
  expect(await submit('--idempotency-key', 'deploy-42')).toMatchObject({ code: 0 })
  const before = (await list('--limit', '100')).data.length
  const { code, stderr } = await submit('--idempotency-key', 'deploy-42')
  expect(code).toBe(1)
  expect(stderr).toContain('idempotency_key_reused')
  expect((await list('--limit', '100')).data).toHaveLength(before)
})

test('--after: only behind the job that it names', async () => {
  const first = JSON.parse((await submit('--queue', 'ordered')).stdout)
  expect(await submit('--queue', 'ordered', '--after', first.authority_sha256)).toMatchObject({ code: 0 })
  const unknown = await submit('--queue', 'ordered', '--after', 'f'.repeat(64))
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toMatch(/\(\w+\)\nnext: /)
  for (const wrong of [
    ['--after', first._id],
    ['--direct', '--after', first.authority_sha256],
  ])
    expect(await submit(...wrong)).toMatchObject({ code: 2, stderr: expect.stringContaining('next: ') })
})

test.each(['submit', 'run'])('%s: a key that is a slip of the pen', async command => {
  const { code, stderr } = await terminal.writ(command, '--imgae', 'x')
  expect(code).toBe(2)
  expect(stderr).toBe(`writ: unknown option '--imgae'\n(Did you mean --image?)\nnext: writ ${command} --help\n`)
})

test('a command that is a slip of the pen, and none', async () => {
  expect(await terminal.writ('rnu')).toEqual({
    code: 2,
    stdout: '',
    stderr: "writ: unknown command 'rnu'\n(Did you mean run?)\nnext: writ --help\n",
  })
  expect(await terminal.writ('watch')).toMatchObject({ code: 2, stdout: '' })
  expect(await terminal.writ('--help')).toMatchObject({ code: 0, stderr: '' })
  expect((await terminal.writ('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('whoever reads no further ends it as SIGPIPE does, without a word', async () => {
  const { data } = await list()
  const gone = await terminal.shell(`writ get ${data[0]?._id} --json | true`)
  expect(gone).toEqual({ code: 141, stdout: '', stderr: '' })
})
