import { posix } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { extract, type Header, pack } from 'tar-stream'
import { expect, test } from 'vitest'
import { WritError } from '../../protocol/errors.ts'
import { checkContent, repackContent } from './content.ts'

type Kind = 'file' | 'directory' | 'symlink' | 'link' | 'fifo'
type Entry = Pick<Header, 'name' | 'linkname'> & { readonly type: Kind }

async function targz(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const entry of entries) tar.entry(entry, entry.type === 'file' ? 'x' : '')
  tar.finalize()
  return gzipSync(await buffer(tar))
}

/** What the engine gets. */
async function unpacked(gz: Buffer): Promise<Header[]> {
  const tar = extract()
  tar.end(await buffer(repackContent(gz)))
  const found: Header[] = []
  for await (const entry of tar) {
    found.push(entry.header)
    entry.resume()
  }
  return found
}

async function refusalOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work
    return null
  } catch (error) {
    if (error instanceof WritError) return error.code
    throw error
  }
}

/** Why unpacking this would touch what it may not; judged anew from what the engine gets, without the rules themselves. */
function escapes(entries: readonly Header[]): string[] {
  const found: string[] = []
  const made = new Map<string, string>()
  for (const { name, type, linkname } of entries) {
    const say = (text: string) => found.push(`${name} (${type} ${linkname ?? ''}): ${text}`)
    if (posix.isAbsolute(name) || posix.normalize(name).startsWith('..') || name.includes('\0')) say('outside')
    if (/^(proc|sys|dev|secrets\.yml|\.writ)(\/|$)/.test(posix.normalize(name))) say('a name that is taken')
    for (let way = posix.dirname(name); way !== '.'; way = posix.dirname(way)) {
      if ((made.get(way) ?? 'directory') !== 'directory') say(`through ${way}, a ${made.get(way)}`)
    }
    if (made.get(name) === 'symlink') say('in place of a link')
    if (type === 'symlink' && posix.isAbsolute(linkname ?? '')) say('an absolute target')
    if (type === 'symlink' && posix.join('/x', posix.dirname(name), linkname ?? '').indexOf('/x') !== 0)
      say('a target outside')
    if (type === 'link' && made.get(posix.normalize(linkname ?? '')) !== 'file')
      say('a second name for what is not of the archive')
    made.set(name, type === 'link' ? 'file' : String(type))
  }
  return found
}

test('whatever entries come, in whatever order: what is let through stays inside, and what is good is let through', async () => {
  const path = fc
    .array(fc.constantFrom('a', 'a', 'b', 'b', 'c', '..', '.', '', 'proc', 'etc'), { minLength: 1, maxLength: 4 })
    .map(parts => parts.join('/'))
  const entry = fc.record({
    name: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b', 'a/b', 'b/c', 'd') }, path),
    type: fc.constantFrom('file', 'file', 'directory', 'directory', 'symlink', 'link', 'fifo') as fc.Arbitrary<Kind>,
    linkname: fc.oneof(fc.constantFrom('a', 'b', 'a/b', '../b', '/a', '../..'), path),
  })
  const seen = { taken: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 5 }), async entries => {
      const gz = await targz(entries)
      const refusal = await refusalOf(checkContent(gz))
      if (refusal) {
        seen.refused += 1
        expect(refusal).toBe('content_unsafe')
        expect(await refusalOf(buffer(repackContent(gz)))).toBe('content_unsafe')
      } else {
        seen.taken += 1
        expect(escapes(await unpacked(gz))).toEqual([])
      }
    }),
    { numRuns: 1_500 },
  )
  expect(seen.taken).toBeGreaterThan(100)
  expect(seen.refused).toBeGreaterThan(100)
})
