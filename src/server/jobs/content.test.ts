import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { extract, type Header, pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import { checkContent, parseContent, repackContent } from './content.ts'

type Entry = Partial<Header> & { name: string; data?: string | Buffer }

async function tarOf(...entries: Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const { data = '', ...header } of entries) tar.entry(header, data)
  tar.finalize()
  return buffer(tar)
}

const targz = async (...entries: Entry[]) => gzipSync(await tarOf(...entries))

/** A header with bytes that no packer writes; the checksum is made right again. */
async function forged(change: (header: Buffer) => void): Promise<Buffer> {
  const tar = await tarOf({ name: 'forged' })
  change(tar)
  tar.fill(' ', 148, 156)
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return gzipSync(tar)
}

async function unpacked(gz: Buffer, secretsName?: string): Promise<(Header & { data: string })[]> {
  const tar = extract()
  tar.end(await buffer(repackContent(gz, secretsName)))
  const found: (Header & { data: string })[] = []
  for await (const entry of tar) {
    let data = ''
    for await (const chunk of entry) data += (chunk as Buffer).toString('latin1')
    found.push({ ...entry.header, data })
  }
  return found
}

async function failure(work: Promise<unknown>): Promise<{ code: ErrorCode; detail: string | undefined } | null> {
  try {
    await work
    return null
  } catch (error) {
    if (error instanceof WritError) return { code: error.code, detail: error.detail }
    throw error
  }
}

describe('parseContent', () => {
  test('takes base64 with line breaks', () => {
    expect(parseContent('targz,aGVs\r\nbG8=\n')).toEqual(Buffer.from('hello'))
  })

  test.each([
    ['another format', 'zip,aGVsbG8='],
    ['no format', 'aGVsbG8='],
    ['nothing', ''],
    ['two commas', 'targz,aGVs,bG8='],
    ['no padding', 'targz,aGVsbG8'],
    ['characters outside the alphabet', 'targz,aGV*bG8='],
    ['the alphabet for URLs', 'targz,-_-_'],
    ['spaces', 'targz,aGVs bG8='],
  ])('refuses %s', async (_, content) => {
    expect(await failure((async () => parseContent(content))())).toMatchObject({ code: 'content_invalid' })
  })
})

describe('checkContent', () => {
  test.each(['./gostint.yml', 'gostint.yml'])('reads the metadata under the name %s', async name => {
    const gz = await targz(
      { name: './', type: 'directory' },
      { name, data: 'container_image: x\n' },
      { name: 'a', data: '12' },
    )
    expect(await checkContent(gz)).toEqual({ metadata: 'container_image: x\n', entries: 3, bytes: 21 })
  })

  // gostint-client (Go) begins each folder that it packs with this
  test('takes a folder without a name for the root', async () => {
    const gz = await forged(header => {
      header.fill(0, 0, 100)
      header.write('5', 156)
    })
    expect(await checkContent(gz)).toMatchObject({ entries: 1 })
    expect((await unpacked(gz)).map(({ name, type }) => [name, type])).toEqual([['.', 'directory']])
    expect(await failure(checkContent(await forged(header => header.fill(0, 0, 100))))).toMatchObject({
      code: 'content_unsafe',
    })
  })

  test('takes no gostint.yml from a folder', async () => {
    expect(await checkContent(await targz({ name: 'a/gostint.yml', data: 'x' }))).toMatchObject({ metadata: null })
  })

  test('takes folders, files, inner links, long and foreign names', async () => {
    const gz = await targz(
      { name: 'etc/', type: 'directory' },
      { name: 'etc/app.conf', data: 'x' },
      { name: 'opt/a', data: 'x' },
      { name: 'opt/b', type: 'link', linkname: './opt/a' },
      { name: 'opt/c', type: 'symlink', linkname: '../etc/app.conf' },
      { name: `opt/${'ä'.repeat(100)}/${'n'.repeat(150)}`, data: 'x' },
      { name: 'run/other', data: 'x' },
      { name: 'processes', data: 'x' },
    )
    expect(await checkContent(gz)).toMatchObject({ entries: 8 })
  })

  const hostile: [string, Entry[], ErrorCode][] = [
    ['a name with ..', [{ name: '../../tmp/x' }], 'content_unsafe'],
    ['a name with .. in the middle', [{ name: 'a/../../b' }], 'content_unsafe'],
    ['an absolute name', [{ name: '/abs' }], 'content_unsafe'],
    ['a NUL in a name', [{ name: 'x', pax: { path: 'a\0b' } }], 'content_unsafe'],
    ['a component of 256 bytes', [{ name: 'n'.repeat(256) }], 'content_unsafe'],
    ['a component of 256 bytes that are 128 characters', [{ name: 'ä'.repeat(128) }], 'content_unsafe'],
    ['a path of 5000 bytes', [{ name: 'abcd/'.repeat(1000) }], 'content_unsafe'],
    ['a path of 65 folders', [{ name: `${'d/'.repeat(64)}x` }], 'content_unsafe'],
    ['an absolute symbolic link', [{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }], 'content_unsafe'],
    ['a symbolic link outside', [{ name: 'a/l', type: 'symlink', linkname: '../../x' }], 'content_unsafe'],
    ['a symbolic link outside by a detour', [{ name: 'l', type: 'symlink', linkname: 'a/../../b' }], 'content_unsafe'],
    [
      'an entry through a symbolic link',
      [
        { name: 'l', type: 'symlink', linkname: 'tmp' },
        { name: 'l/x', data: 'x' },
      ],
      'content_unsafe',
    ],
    [
      'an entry inside a file',
      [
        { name: 'f', data: 'x' },
        { name: 'f/x', data: 'x' },
      ],
      'content_unsafe',
    ],
    [
      'a symbolic link in place of a folder',
      [
        { name: 'd/x', data: 'x' },
        { name: 'd', type: 'symlink', linkname: 'tmp' },
      ],
      'content_unsafe',
    ],
    [
      'a file in place of a symbolic link',
      [
        { name: 'l', type: 'symlink', linkname: 'tmp/x' },
        { name: 'l', data: 'x' },
      ],
      'content_unsafe',
    ],
    ['a hard link to the image', [{ name: 'h', type: 'link', linkname: 'etc/passwd' }], 'content_unsafe'],
    [
      'a hard link outside',
      [
        { name: 'etc/passwd', data: 'x' },
        { name: 'h', type: 'link', linkname: '../../etc/passwd' },
      ],
      'content_unsafe',
    ],
    [
      'a hard link to a symbolic link',
      [
        { name: 's', type: 'symlink', linkname: 'tmp' },
        { name: 'h', type: 'link', linkname: 's' },
      ],
      'content_unsafe',
    ],
    [
      'a hard link to itself',
      [
        { name: 'h', data: 'x' },
        { name: 'h', type: 'link', linkname: 'h' },
      ],
      'content_unsafe',
    ],
    ['a FIFO', [{ name: 'etc/passwd', type: 'fifo' }], 'content_unsafe'],
    ['a character device', [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }], 'content_unsafe'],
    ['a whiteout', [{ name: 'bin/sh', type: 'character-device' }], 'content_unsafe'],
    ['a block device', [{ name: 'disk', type: 'block-device', devmajor: 8 }], 'content_unsafe'],
    ['a contiguous file', [{ name: 'c', type: 'contiguous-file' }], 'content_unsafe'],
    [
      'a sparse file',
      [{ name: 's', pax: { 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '1099511627776' } }],
      'content_unsafe',
    ],
    ['a file in place of a system folder', [{ name: 'bin', data: 'x' }], 'content_unsafe'],
    ['a link in place of a system folder', [{ name: './etc/', type: 'symlink', linkname: 'tmp' }], 'content_unsafe'],
    ['a folder in place of the secrets', [{ name: 'secrets.json', type: 'directory' }], 'content_unsafe'],
    ['a link in place of the secrets', [{ name: 'secrets.yml', type: 'symlink', linkname: 'x' }], 'content_unsafe'],
    [
      'a hard link to what the secrets take the place of',
      [
        { name: 'secrets.yml', data: 'x' },
        { name: 'x', type: 'link', linkname: 'secrets.yml' },
      ],
      'content_unsafe',
    ],
    ['a file in place of the root', [{ name: './', type: 'symlink', linkname: 'tmp' }], 'content_unsafe'],
    ['a gostint.yml of 1 MB', [{ name: 'gostint.yml', data: Buffer.alloc(1 << 20) }], 'content_too_large'],
    ...[
      'proc',
      'proc/1/x',
      'sys/x',
      './dev/x',
      '.dockerenv',
      'run/writ',
      'run//writ/x',
      'secrets.yml/x',
      '.writ',
      '.writ/busybox',
    ].map((name): [string, Entry[], ErrorCode] => [`the name ${name}`, [{ name, data: 'x' }], 'content_unsafe']),
  ]
  test.each(hostile)('refuses %s', async (_, entries, code) => {
    const gz = await targz(...entries)
    expect(await failure(checkContent(gz))).toMatchObject({ code })
    expect(await failure(buffer(repackContent(gz)))).toMatchObject({ code })
  })

  test('the error names the entry, in printable characters and not at length', async () => {
    const found = await failure(checkContent(await targz({ name: `\u001b[2J${'x'.repeat(200)}`, type: 'fifo' })))
    expect(found?.detail).toMatch(/^\?\[2Jx{96}: neither/)
  })

  test('refuses the old form of sparse files', async () => {
    const gz = await forged(header => header.write('S', 156))
    expect(await failure(checkContent(gz))).toMatchObject({ code: 'content_unsafe' })
  })

  test('refuses a file that claims a terabyte before it reads on', async () => {
    const gz = await forged(header => header.write('12000000000000 ', 124, 12, 'latin1'))
    expect(await failure(checkContent(gz))).toMatchObject({ code: 'content_too_large' })
  })

  test('refuses more than 20,000 entries', async () => {
    const one = (await tarOf({ name: 'x' })).subarray(0, 512)
    const end = Buffer.alloc(1024)
    const many = (count: number) => gzipSync(Buffer.concat([...Array(count).fill(one), end]))
    expect(await failure(checkContent(many(20_000)))).toBeNull()
    expect(await failure(checkContent(many(20_001)))).toMatchObject({ code: 'content_too_large' })
  })

  test('counts folders that are only implied', async () => {
    const deep = Array.from({ length: 400 }, (_, i) => ({ name: `${i}/${'d/'.repeat(60)}x` }))
    expect(await failure(checkContent(await targz(...deep)))).toMatchObject({ code: 'content_too_large' })
  })

  test('stops at 256 MiB of a bomb', async () => {
    const part = Buffer.alloc(200 << 20)
    const gz = await targz({ name: 'a', data: part }, { name: 'b', data: part })
    expect(gz.length).toBeLessThan(1 << 20)
    expect(await failure(checkContent(gz))).toMatchObject({ code: 'content_too_large' })
  })

  test('stops at 256 MiB that are no entries at all', async () => {
    const gz = gzipSync(Buffer.alloc(300 << 20))
    expect(await failure(checkContent(gz))).toMatchObject({ code: 'content_too_large' })
  })

  test.each<[string, (gz: Buffer) => Buffer]>([
    ['that is cut off', gz => gz.subarray(0, -9)],
    ['with a wrong checksum', gz => Buffer.concat([gz.subarray(0, -8), Buffer.alloc(8)])],
    ['with a second member behind it', gz => Buffer.concat([gz, gz])],
    ['with rubbish behind it', gz => Buffer.concat([gz, Buffer.from('x')])],
    ['that is empty', () => Buffer.alloc(0)],
    ['that is none', () => Buffer.from('not gzip')],
    ['of something else', () => gzipSync('not a tar')],
    ['of a tar that is cut off', () => gzipSync(gunzipped.subarray(0, 700))],
    ['with a damaged tar header', () => gzipSync(Buffer.from(gunzipped).fill('x', 0, 5))],
  ])('refuses a gzip %s', async (_, damage) => {
    const gz = damage(gzipSync(gunzipped))
    expect(await failure(checkContent(gz))).toMatchObject({ code: 'content_invalid' })
    expect(await failure(buffer(repackContent(gz)))).toMatchObject({ code: 'content_invalid' })
  })

  test('random bytes and damaged archives end in a refusal or in nothing, never in another error', async () => {
    const good = await targz({ name: 'a/b', data: 'x'.repeat(600) }, { name: 'l', type: 'symlink', linkname: 'a' })
    const tar = await tarOf({ name: 'a/b', data: 'x'.repeat(600) }, { name: `${'l'.repeat(120)}ä`, data: 'y' })
    const damaged = (whole: Buffer) =>
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map(changes => {
        const copy = Buffer.from(whole)
        for (const [at, value] of changes) copy[at] = value
        return copy
      })
    const random = fc.uint8Array({ maxLength: 2000 }).map(Buffer.from)
    const input = fc.oneof(
      random,
      damaged(good),
      random.map(bytes => gzipSync(bytes)),
      damaged(tar).map(bytes => gzipSync(bytes)),
    )
    await fc.assert(
      fc.asyncProperty(input, async gz => {
        const checked = await failure(checkContent(gz))
        const repacked = await failure(buffer(repackContent(gz)))
        expect(repacked?.code).toBe(checked?.code)
      }),
      { numRuns: 300 },
    )
  })
})

const gunzipped = await tarOf({ name: 'a', data: 'x'.repeat(600) })

describe('repackContent', () => {
  test('keeps names, bytes, modes, times, owners and links', async () => {
    const mtime = new Date('2020-02-02T02:02:02Z')
    const long = `d/${'ä'.repeat(100)}/${'n'.repeat(150)}`
    const found = await unpacked(
      await targz(
        { name: './', type: 'directory' },
        { name: './d/', type: 'directory', mode: 0o1777, uid: 2001, gid: 2001, mtime },
        { name: './d/run.sh', mode: 0o750, uid: 5, gid: 6, mtime, data: 'y'.repeat(100_000) },
        { name: long, data: 'long' },
        { name: 'd/hard', type: 'link', linkname: './d/run.sh' },
        { name: 'd/soft', type: 'symlink', linkname: '../d/run.sh' },
        { name: 'd/empty' },
      ),
    )
    expect(found.map(({ name, type, linkname, data }) => [name, type, linkname, data.length])).toEqual([
      ['.', 'directory', null, 0],
      ['d', 'directory', null, 0],
      ['d/run.sh', 'file', null, 100_000],
      [long, 'file', null, 4],
      ['d/hard', 'link', 'd/run.sh', 0],
      ['d/soft', 'symlink', '../d/run.sh', 0],
      ['d/empty', 'file', null, 0],
    ])
    expect(found[1]).toMatchObject({ mode: 0o1777, uid: 2001, gid: 2001, mtime })
    expect(found[2]).toMatchObject({ mode: 0o750, uid: 5, gid: 6, mtime })
  })

  test('drops setuid, setgid, extended attributes, huge owners and times', async () => {
    const capability = { 'SCHILY.xattr.security.capability': 'x', 'SCHILY.xattr.trusted.overlay.opaque': 'y' }
    const gz = await targz({ name: 's', mode: 0o6755, uid: 2_000_000, mtime: new Date('2999-01-01'), pax: capability })
    const [entry] = await unpacked(gz)
    expect(entry).toMatchObject({ mode: 0o755, uid: 2001, mtime: new Date(0), pax: null })
    expect((await buffer(repackContent(gz))).includes('SCHILY')).toBe(false)
  })

  test('leaves out what the file of secrets takes the place of, and nothing else', async () => {
    const gz = await targz({ name: './secrets.yml', data: 'own' }, { name: 'secrets.json', data: '{}' }, { name: 'a' })
    expect((await unpacked(gz)).map(({ name }) => name)).toEqual(['secrets.json', 'a'])
    const json = await unpacked(gz, 'secrets.json')
    expect(json.map(({ name, data }) => [name, data])).toEqual([
      ['secrets.yml', 'own'],
      ['a', ''],
    ])
  })

  test('adds the user of the job to an /etc/passwd, whatever its bytes are', async () => {
    const own = Buffer.from('root:x:0:0:r\xf6\xf6t:/:/bin/sh', 'latin1')
    const [entry] = await unpacked(await targz({ name: './etc/passwd', mode: 0o644, uid: 7, data: own }))
    const user = '\ngostint:x:2001:2001:gostint:/tmp:/bin/sh\n'
    expect(entry).toMatchObject({ name: 'etc/passwd', mode: 0o444, uid: 0 })
    expect(entry?.data).toBe(`${own.toString('latin1')}${user}`)
  })

  test('can be left in the middle', async () => {
    const gz = await targz({ name: 'a', data: Buffer.alloc(5 << 20) }, { name: 'b', data: Buffer.alloc(5 << 20) })
    let read = 0
    for await (const chunk of repackContent(gz)) {
      read += chunk.length
      if (read > 1 << 20) break
    }
    expect(read).toBeLessThan(2 << 20)
  })
})
