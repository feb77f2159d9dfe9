import { randomBytes } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { armor, Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { searchDatabase } from '../demo/database-search.ts'
import { openSealed } from '../src/protocol/sealed-output.ts'
import { Terminal } from './command.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess
let terminal: Terminal
let identity: string
let recipient: string

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ WRIT_LOG_LEVEL: 'trace' })
  terminal = await Terminal.open(stack.environment(server.address))
  identity = await generateX25519Identity()
  recipient = await identityToRecipient(identity)
  await writeFile(join(terminal.folder, 'key.txt'), `# made for this test\n${identity}\n`)
})
afterAll(() => stack.close())

/** Put together only by the job: nothing that is submitted has it in one piece. */
const mark = randomBytes(12).toString('hex')
const say = (n: number | string) => `printf '%s-%s-%s\\n' ${mark.slice(0, 12)} ${mark.slice(12)} ${n}`
const said = (n: number | string) => `${mark.slice(0, 12)}-${mark.slice(12)}-${n}\n`

test('the output is open to the holder of the key, live, and to nobody else: not in the database, the log or the API', async () => {
  const client = stack.client(server.address)
  const script = `cat /secrets.yml; ${say(1)}; sleep 2; ${say(2)}; ${say('err')} >&2`
  const job = { result_key: recipient, secret_refs: ['PW@secret/data/hello.password'] }
  const { _id } = await client.submit(shell(stack, script, job))
  const arrivals: [string, number][] = []
  const start = performance.now()
  let text = ''
  for await (const event of openSealed(client.follow(_id), [identity])) {
    if (event.kind !== 'output') continue
    const data = Buffer.from(event.data).toString()
    arrivals.push([data, performance.now() - start])
    if (event.stream === 'stdout') text += data
    else expect(data).toBe(said('err'))
  }
  expect(text.endsWith(said(1) + said(2))).toBe(true)
  expect(text).toContain('***') // masked before it was sealed
  expect((arrivals.at(-1)?.[1] ?? 0) - (arrivals[0]?.[1] ?? 0)).toBeGreaterThan(1_000)

  const { job: answer } = await untilEnded(stack, client, _id)
  expect(answer).toMatchObject({ status: 'success', result_key: recipient })
  const blocks = answer.output.match(/-----BEGIN AGE[\s\S]+?END AGE ENCRYPTED FILE-----/g) ?? []
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  const opened = await Promise.all(blocks.map(block => decrypter.decrypt(armor.decode(block), 'text')))
  expect(opened.join('')).toBe(text)

  const get = async (path: string) => {
    const { body } = await request(`${server.address}${path}`, { headers: { 'x-auth-token': stack.root.reveal() } })
    return Buffer.from(await body.bytes()).toString('latin1')
  }
  const places = {
    'job answer': JSON.stringify(answer),
    list: await get('/v1/api/job'),
    events: await get(`/v1/api/job/${_id}/output`),
    bytes: await get(`/v1/api/job/${_id}/output?stream=both`),
    log: server.log(),
  }
  const trace = said('').slice(0, 25)
  for (const [place, content] of Object.entries(places)) expect(content.includes(trace), place).toBe(false)
  expect(await searchDatabase(stack.database.url, [trace])).toMatchObject({ hits: [] })
  const stranger = openSealed(client.follow(_id), [await generateX25519Identity()])
  await expect(stranger.next()).rejects.toThrow()
})

test('who takes over the job goes on with the public key alone', async () => {
  const other = await stack.startServer()
  const client = stack.client(server.address)
  const script = `i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo line $i; sleep 0.15; done`
  const { _id } = await client.submit(shell(stack, script, { result_key: recipient }))
  await until(async () => (await client.get(_id)).output_bytes > 300)
  await server.stop('SIGKILL')
  const second = stack.client(other.address)
  let text = ''
  for await (const event of openSealed(second.follow(_id), [identity])) {
    if (event.kind === 'output') text += Buffer.from(event.data).toString()
  }
  expect(text).toBe(Array.from({ length: 20 }, (_, i) => `line ${i + 1}\n`).join(''))
  server = await stack.startServer()
  terminal = await Terminal.open(stack.environment(server.address))
  await writeFile(join(terminal.folder, 'key.txt'), `${identity}\n`)
}, 60_000)

test('on the command line: a key of its own, a file, none, a wrong one', async () => {
  const run = (...args: string[]) => terminal.writ('run', '--image', stack.image, ...args, '--', 'echo', 'hello')
  expect(await run('--result-key', 'auto')).toMatchObject({ code: 0, stdout: 'hello\n' })

  expect(await run('--result-key', 'auto', '--identity', 'new.txt')).toMatchObject({ code: 0, stdout: 'hello\n' })
  const made = join(terminal.folder, 'new.txt')
  expect((await stat(made)).mode & 0o777).toBe(0o600)
  const before = await readFile(made, 'utf8')
  expect(await run('--result-key', 'auto', '--identity', 'new.txt')).toMatchObject({ code: 0, stdout: 'hello\n' })
  expect(await readFile(made, 'utf8')).toBe(before)

  const hidden = await run('--result-key', recipient)
  expect(hidden).toMatchObject({ code: 0, stdout: '' })
  expect(hidden.stderr).toContain('the output is encrypted')
  const id = /job ([0-9a-f]{24})/.exec(hidden.stderr)?.[1] ?? ''
  expect(await terminal.writ('logs', '-f', '--identity', 'key.txt', id)).toMatchObject({ code: 0, stdout: 'hello\n' })
  expect(await terminal.writ('logs', id)).toMatchObject({ code: 2, stdout: '' })
  expect((await terminal.writ('logs', '--identity', 'new.txt', id)).code).toBe(1)

  for (const wrong of ['age1x', identity, `${recipient},`, Array(9).fill(recipient).join(',')]) {
    const { code, stderr } = await run('--result-key', wrong)
    expect(code).toBe(1)
    expect(stderr).toContain('result_key_invalid')
    expect(stderr).not.toContain(identity)
  }
}, 120_000)

test('by a transit key of the requestor: whoever may decrypt with it opens the output, and nothing else is needed', async () => {
  await stack.vault.send({ method: 'POST', path: 'transit/keys/mine', token: stack.root, body: {} })
  const owner = await Terminal.open(stack.environment(server.address, stack.root))
  const job = ['--image', stack.image, '--result-key', 'transit:mine', '--', 'echo', 'kept']
  expect(await owner.writ('run', ...job)).toMatchObject({ code: 0, stdout: 'kept\n' })
  const id = (await owner.writ('submit', ...job)).stdout.trim()
  expect(await owner.writ('logs', '-f', id)).toMatchObject({ code: 0, stdout: 'kept\n' })
  expect(await owner.writ('logs', id)).toMatchObject({ code: 0, stdout: 'kept\n' })
  const { result_key, output } = JSON.parse((await owner.writ('get', id, '--json')).stdout)
  expect(result_key).toMatch(/^age1[0-9a-z]+,transit:transit\/keys\/mine:vault:v1:/)
  expect(output).toContain('BEGIN AGE ENCRYPTED FILE')
  // a job of one's own, to a key that one has no power over
  const theirs = await terminal.writ(
    'submit',
    '--image',
    stack.image,
    '--result-key',
    result_key,
    '--',
    'echo',
    'not yours',
  )
  const refused = await terminal.writ('logs', '-f', theirs.stdout.trim())
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain('transit/decrypt/mine')
  expect(await owner.writ('logs', '-f', theirs.stdout.trim())).toMatchObject({ code: 0, stdout: 'not yours\n' })
  for (const wrong of ['transit:', 'transit:..', 'transit:a/b']) {
    const none = await owner.writ('run', '--image', stack.image, '--result-key', wrong, '--', 'true')
    expect(none.stderr).toContain('result_key_invalid')
  }
})
