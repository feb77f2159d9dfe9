import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract, type Header, pack } from 'tar-stream'
import { expect, test } from 'vitest'
import { commitTar } from './commit-tar.ts'

const CA = '-----BEGIN CERTIFICATE-----\nour\n-----END CERTIFICATE-----'

function commit(entries: readonly (Partial<Header> & { name: string; data?: string })[]): Readable {
  const tar = pack()
  for (const { data = '', ...header } of entries) tar.entry(header, data)
  tar.finalize()
  return tar as unknown as Readable
}

async function unpacked(files: Readable, ca: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const entries = extract()
  Readable.from(commitTar(files, ca)).pipe(entries as unknown as NodeJS.WritableStream)
  for await (const entry of entries) {
    const { name, type, mode, uid, linkname } = entry.header
    const text = (await buffer(entry as unknown as Readable)).toString()
    found[name] = type === 'file' ? `${mode?.toString(8)} ${uid} ${text}` : `${type} ${linkname ?? ''}`.trim()
  }
  return found
}

test('files are below /git, with their modes, as the commands own them', async () => {
  const files = commit([
    { name: 'run.sh', mode: 0o755, data: 'x' },
    { name: 'a/', type: 'directory' },
    { name: 'a/b', mode: 0o644, data: 'y' },
    { name: 'link', type: 'symlink', linkname: 'a/b' },
  ])
  expect(await unpacked(files, '')).toEqual({
    'git/': 'directory',
    'git/run.sh': '755 2001 x',
    'git/a': 'directory',
    'git/a/b': '644 2001 y',
    'git/link': 'symlink a/b',
  })
})

test.each([
  [{ name: '.flant_gitops/ca.crt', data: 'theirs' }],
  [{ name: '.flant_gitops/ca.crt', type: 'symlink' as const, linkname: '../evil' }],
  [{ name: '.flant_gitops', type: 'symlink' as const, linkname: 'evil' }],
  [{ name: '.flant_gitops', data: 'a file' }],
])('a commit does not say whom the commands trust: %j', async entry => {
  const found = await unpacked(commit([entry, { name: 'evil', data: 'theirs' }]), CA)
  expect(found['git/.flant_gitops/ca.crt']).toBe(`777 2001 ${CA}\n`)
  expect(found['git/.flant_gitops'] ?? 'directory').toBe('directory')
  // without a CA of ours there is no variable that names it, and the commit has what it has
  expect(await unpacked(commit([entry]), '')).toHaveProperty([`git/${entry.name}`])
})

test('a source that fails at its end gives no whole tar', async () => {
  const files = Readable.from(
    (async function* () {
      yield* commit([{ name: 'a', data: 'x' }]) as AsyncIterable<Uint8Array>
      throw new Error('damaged')
    })(),
  )
  await expect(buffer(Readable.from(commitTar(files, '')))).rejects.toThrow('damaged')
})
