import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { LfsStore } from './lfs-store.ts'

const directory = mkdtempSync(join(tmpdir(), 'lfs-store-'))
afterAll(() => rmSync(directory, { recursive: true }))

const MIB = Buffer.alloc(1024 * 1024)
const pointer = { oid: createHash('sha256').update('short').digest('hex'), size: 5 }

test('a content that goes on behind its size is left there, and nothing of it is kept', async () => {
  let given = 0
  const long = Readable.from(
    (function* () {
      for (; given < 256; given += 1) yield MIB
    })(),
  )
  await expect(new LfsStore(directory).put(pointer, long)).rejects.toMatchObject({ code: 'lfs_content_wrong' })
  expect(given).toBeLessThan(32)
  expect(readdirSync(directory)).toEqual([])
})

test('the right one is kept', async () => {
  const store = new LfsStore(directory)
  expect(await store.has(pointer)).toBe(false)
  await store.put(pointer, Readable.from([Buffer.from('sh'), Buffer.from('ort')]))
  expect(await store.has(pointer)).toBe(true)
  expect(await text(Readable.from(store.read(pointer)))).toBe('short')
})
