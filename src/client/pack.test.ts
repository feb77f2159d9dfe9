import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkContent, parseContent, repackContent } from '../server/jobs/content.ts'
import { packContent } from './pack.ts'

const MKFIFO = 'mkfifo'
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-pack-'))
})
afterEach(() => rm(folder, { recursive: true }))

const file = (name: string) => join(folder, name)

async function entriesOf(content: string): Promise<(Pick<Header, 'name'> & Partial<Header> & { text: string })[]> {
  const tar = extract()
  tar.end(gunzipSync(parseContent(content)))
  const found = []
  for await (const entry of tar) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    found.push({ ...entry.header, text: Buffer.concat(chunks).toString() })
  }
  return found
}

test('files, folders and links, with their modes, for the user that jobs run as', async () => {
  await mkdir(file('sub/empty'), { recursive: true })
  await writeFile(file('run.sh'), '#!/bin/sh\n')
  await chmod(file('run.sh'), 0o755)
  await writeFile(file('sub/secret'), 'x')
  await chmod(file('sub/secret'), 0o600)
  await chmod(file('sub'), 0o750)
  await symlink('../run.sh', file('sub/link'))
  const entries = await entriesOf(await packContent(folder))
  expect(entries.map(({ name, type, mode, text, linkname }) => [name, type, mode, text, linkname ?? ''])).toEqual([
    ['./run.sh', 'file', 0o755, '#!/bin/sh\n', ''],
    ['./sub', 'directory', 0o750, '', ''],
    ['./sub/empty', 'directory', expect.any(Number), '', ''],
    ['./sub/link', 'symlink', expect.any(Number), '', '../run.sh'],
    ['./sub/secret', 'file', 0o600, 'x', ''],
  ])
  expect(entries.every(({ uid, gid }) => uid === 2001 && gid === 2001)).toBe(true)
})

test('what is packed is accepted, and comes out the same', async () => {
  await mkdir(file('ü/deep'), { recursive: true })
  await writeFile(file('gostint.yml'), 'container_image: busybox\n')
  await writeFile(file(`ü/deep/${'long'.repeat(40)}.txt`), 'y'.repeat(100_000))
  await symlink('deep', file('ü/link'))
  const gz = parseContent(await packContent(folder))
  expect(await checkContent(gz)).toMatchObject({ metadata: 'container_image: busybox\n', entries: 5 })
  let bytes = 0
  for await (const chunk of repackContent(gz)) bytes += chunk.length
  expect(bytes).toBeGreaterThan(100_000)
})

test('the same folder gives the same archive', async () => {
  for (const name of ['b', 'a', 'C', 'a b']) await writeFile(file(name), name)
  for (const name of ['b', 'a', 'C', 'a b']) await utimes(file(name), 1_000, 1_000)
  const first = await packContent(folder)
  await new Promise(resolve => setTimeout(resolve, 1_100))
  expect(await packContent(folder)).toBe(first)
  expect((await entriesOf(first)).map(({ name }) => name)).toEqual(['./C', './a', './a b', './b'])
})

test('setuid bits stay behind, and so do sockets and pipes', async () => {
  await writeFile(file('tool'), '')
  await chmod(file('tool'), 0o6755)
  execFileSync(MKFIFO, [file('pipe')])
  const server = createServer().listen(file('socket'))
  await new Promise(resolve => server.once('listening', resolve))
  const entries = await entriesOf(await packContent(folder))
  server.close()
  expect(entries.map(({ name, mode }) => [name, mode])).toEqual([['./tool', 0o755]])
})

test('an empty folder', async () => {
  const content = await packContent(folder)
  expect(await entriesOf(content)).toEqual([])
  expect(await checkContent(parseContent(content))).toMatchObject({ entries: 0 })
})

test('a folder named by a link', async () => {
  await mkdir(file('real'))
  await writeFile(file('real/x'), 'y')
  await symlink('real', file('link'))
  expect((await entriesOf(await packContent(file('link')))).map(({ name }) => name)).toEqual(['./x'])
})

test('a ready archive goes as it is', async () => {
  execFileSync('tar', ['czf', file('ready.tar.gz'), '--owner=2001', '--group=2001', '-C', '/etc', './hostname'])
  expect((await entriesOf(await packContent(file('ready.tar.gz')))).map(({ name }) => name)).toEqual(['./hostname'])
})

test('no such folder, and files that cannot be read as they were announced: an error, and the process lives', async () => {
  await expect(packContent(file('none'))).rejects.toMatchObject({ code: 'ENOENT' })
  // files there have no size and yet content, as a log has that grows while it is packed
  await expect(packContent('/proc/self/fdinfo')).rejects.toThrow()
})

test('more than fits into any buffer on the way', async () => {
  const noise = Buffer.from(Array.from({ length: 3_000_000 }, (_, n) => (n * 7919) % 251))
  for (const name of ['a', 'b']) await writeFile(file(name), noise)
  const entries = await entriesOf(await packContent(folder))
  expect(entries.map(({ size }) => size)).toEqual([3_000_000, 3_000_000])
})
