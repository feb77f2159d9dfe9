import { describe, expect, test } from 'vitest'
import { cpuTime } from '../../../../test/cpu-time.ts'
import { noteLines } from '../signatures/note-lines.ts'
import type { ObjectType } from './object-reader.ts'
import { parseCommit, parseTag, parseTree } from './objects.ts'

const ID = 'a'.repeat(40)
const object = (type: ObjectType, bytes: Buffer) => ({ id: ID, type, bytes })
const PERSON = 'a <a@example.com> 1700000000 +0000'
const COMMIT = `tree ${ID}\nauthor ${PERSON}\ncommitter ${PERSON}\n`

/** What nobody need have signed is refused before it is taken apart. */
describe('large objects', () => {
  const refused = (code: string, read: () => unknown) => {
    const spent = cpuTime(() => expect(read).toThrow(expect.objectContaining({ code })))
    expect(spent).toBeLessThan(2_000)
  }

  test('a commit of 60 MB of header lines, and of message', () => {
    const lines = Buffer.alloc(60_000_000, 'x\n')
    refused('repository_too_large', () => parseCommit(object('commit', Buffer.concat([Buffer.from(COMMIT), lines]))))
    const message = Buffer.concat([Buffer.from(`${COMMIT}\n`), lines])
    refused('repository_too_large', () => parseCommit(object('commit', message)))
    expect(parseCommit(object('commit', message.subarray(0, 1_000_000))).tree).toBe(ID)
  })

  test('a tag of 60 MB', () => {
    const start = Buffer.from(`object ${ID}\ntype commit\ntag v1\n`)
    refused('repository_too_large', () =>
      parseTag(object('tag', Buffer.concat([start, Buffer.alloc(60_000_000, 'x\n')]))),
    )
  })

  test('a tree of a million entries', () => {
    const entry = (n: number) => Buffer.concat([Buffer.from(`100644 ${n}\0`), Buffer.alloc(20, 1)])
    const tree = Buffer.concat(Array.from({ length: 250_000 }, (_, n) => entry(n)))
    refused('tree_too_large', () => parseTree(object('tree', tree)))
  })

  test('notes of nothing but empty lines, and of many short ones', () => {
    refused('signatures_unreadable', () => noteLines(Buffer.alloc(60_000_000, '\n')))
    refused('signatures_unreadable', () => noteLines(Buffer.alloc(60_000_000, 'x\n')))
    expect(noteLines(Buffer.from('\n\naGVsbG8=\n\n'))).toEqual([{ number: 3, base64: 'aGVsbG8=' }])
  })
})
