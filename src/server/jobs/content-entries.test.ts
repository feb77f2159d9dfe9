import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { expect, test } from 'vitest'
import { checkContent, repackContent } from './content.ts'

async function tarOf(name: string, data: Buffer | string = ''): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name }, data)
  tar.finalize()
  return await buffer(tar)
}

/** A header that says more of what follows, of any kind and with any content. */
async function more(type: 'x' | 'g' | 'L' | 'K', content: Buffer): Promise<Buffer> {
  const tar = await tarOf('more', content)
  tar.write(type, 156)
  tar.fill(' ', 148, 156)
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return tar.subarray(0, -1024)
}

const records = (bytes: number) => Buffer.from('10 a=bcde\n'.repeat(Math.ceil(bytes / 10))).subarray(0, bytes)

test('takes what packers write before an entry', async () => {
  const entry = await tarOf('x', 'y')
  const usual = [await more('g', Buffer.from('52 comment=0123456789012345678901234567890123456789\n'))]
  const long = [await more('K', Buffer.alloc(200, 'k')), await more('L', Buffer.alloc(200, 'l'))]
  const attributes = [await more('x', records(200_000))]
  const archive = Buffer.concat([...usual, ...long, ...attributes, entry])
  expect(await checkContent(gzipSync(archive))).toMatchObject({ entries: 1, bytes: 1 })
})

test.each<[string, () => Promise<Buffer[]>]>([
  ['thousands of them without an entry', async () => Array(2_000).fill(await more('x', records(10)))],
  ['one of 4 MB for all entries', async () => [await more('g', records(4_000_000))]],
  ['one of 4 MB for the next', async () => [await more('x', records(4_000_000))]],
  ['a name of 4 MB', async () => [await more('L', Buffer.alloc(4_000_000, 'l'))]],
  ['the target of a link of 4 MB', async () => [await more('K', Buffer.alloc(4_000_000, 'k'))]],
  [
    'many behind the last entry',
    async () => [(await tarOf('x')).subarray(0, 512), ...Array(20).fill(await more('x', records(10)))],
  ],
])('refuses what is more header than entry: %s', async (_, headers) => {
  const gz = gzipSync(Buffer.concat([...(await headers()), await tarOf('y')]))
  await expect(checkContent(gz)).rejects.toMatchObject({ code: 'content_too_large' })
  await expect(buffer(repackContent(gz))).rejects.toMatchObject({ code: 'content_too_large' })
})
