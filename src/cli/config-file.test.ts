import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfigFile } from './config-file.ts'
import { UsageError } from './failure.ts'

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-config-'))
  file = join(folder, 'config.yaml')
})
afterAll(async () => await rm(folder, { recursive: true }))

async function read(text: string, mode = 0o600): Promise<unknown> {
  await writeFile(file, text)
  await chmod(file, mode)
  return await readConfigFile({ WRIT_CONFIG: file })
}

async function refusal(text: string, mode?: number): Promise<UsageError> {
  const error: unknown = await read(text, mode).catch(error => error)
  if (!(error instanceof UsageError)) throw new Error('it was not refused')
  return error
}

test('all that it may say; paths start from its own folder', async () => {
  expect(
    await read(
      'server: https://a:1\nserver_ca: ca.pem\nvault: http://b\nvault_ca: /etc/v.pem\nvault_namespace: ns\nqueue: Q\njob_role: r\n',
      0o644,
    ),
  ).toEqual({
    server: 'https://a:1',
    server_ca: join(folder, 'ca.pem'),
    vault: 'http://b',
    vault_ca: '/etc/v.pem',
    vault_namespace: 'ns',
    queue: 'Q',
    job_role: 'r',
  })
})

test.each(['', '# nothing\n', '---\n'])('%j says nothing', async text => {
  expect(await read(text)).toEqual({})
})

test('WRIT_CONFIG set to nothing: no file', async () => {
  expect(await readConfigFile({ WRIT_CONFIG: '' })).toEqual({})
})

test.each([
  ['token: hvs.CAESIJlongandsecret', /token has no place in a file/],
  ['vault_token: x', /vault_token has no place/],
  ['password: verysecret', /password has no place/],
  ['secret_id: verysecret', /secret_id has no place/],
  ['queue: hvs.CAESIJlongandsecret', /queue holds a token/],
  ['job_role: s.CAESIJlongandsecret', /job_role holds a token/],
  ['server: https://ann:verysecret@host', /server holds a user, a password/],
  ['vault: https://host?token=verysecret', /vault holds a user, a password or a query/],
])('%s: refused, and not repeated', async (text, message) => {
  const { message: said, next } = await refusal(text)
  expect(said).toMatch(message)
  expect(said).not.toMatch(/secret$|verysecret|CAES/)
  expect(next).toContain('vault login')
})

test.each([
  ['sever: https://a', /there is no sever$/, /It may say: server, server_ca/],
  ['__proto__: x', /there is no __proto__$/, /It may say/],
  ['server: 5', /server is no text/, /quotes/],
  ['queue: [a]', /queue is no text/, /quotes/],
  ['queue: a\nqueue: b', /line 2/, /key: value/],
  ['server: ftp://x', /server is no address/, /https:/],
  ['- a', /is not made of/, /It may say/],
  ['verysecret', /is not made of/, /It may say/],
  ['server: "verysecret', /no YAML: line 1/, /key: value/],
])('%j: refused by name', async (text, message, remedy) => {
  const { message: said, next } = await refusal(text)
  expect(said).toMatch(message)
  expect(said).not.toContain('verysecret')
  expect(next).toMatch(remedy)
})

test.each([0o620, 0o602, 0o666])('mode %o: whoever else can write it would choose where the token goes', async mode => {
  const { message, next } = await refusal('server: https://a', mode)
  expect(message).toContain('can be changed by others')
  expect(next).toContain(`chmod 600 ${file}`)
})

test('what to type against it is what a shell takes for one file', async () => {
  file = join(folder, "it's $(mine).yaml")
  const { next } = await refusal('server: https://a', 0o666)
  file = join(folder, 'config.yaml')
  expect(next).toContain(`chmod 600 '${folder}/it'\\''s $(mine).yaml'`)
})

test('a file that is named must be there', async () => {
  await expect(readConfigFile({ WRIT_CONFIG: join(folder, 'none') })).rejects.toThrow(/none cannot be read \(ENOENT\)/)
})

test('aliases are refused, before they grow', async () => {
  expect((await refusal('a: &a [x,x]\nb: &b [*a,*a]\nqueue: [*b,*b]\n')).message).toContain('aliases')
})
