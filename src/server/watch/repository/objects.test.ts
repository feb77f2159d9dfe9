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

/** git's own check refuses most of these when they are fetched. It is a setting of a program of the machine; this is ours. */
describe('malformed objects', () => {
  const damaged = expect.objectContaining({ code: 'repository_damaged' })
  const OTHER = 'b'.repeat(40)

  test('a commit is read as it is', () => {
    const bytes = Buffer.from(`${COMMIT.replace('author', `parent ${OTHER}\nauthor`)}gpgsig x\n tree ${OTHER}\n\nhi\n`)
    expect(parseCommit(object('commit', bytes))).toMatchObject({ tree: ID, parents: [OTHER], message: 'hi\n' })
  })

  test.each([
    ['is empty', ''],
    ['has no tree', COMMIT.replace(/tree .*\n/, '')],
    ['has two trees', COMMIT.replace(/tree .*\n/, '$&$&')],
    ['has another tree at its end', `${COMMIT}tree ${OTHER}\n`],
    ['has its tree after its author', COMMIT.replace(/(tree .*\n)(author .*\n)/, '$2$1')],
    ['has a parent after its author', COMMIT.replace('committer', `parent ${OTHER}\ncommitter`)],
    ['has a parent at its end', `${COMMIT}parent ${OTHER}\n`],
    ['has no author', COMMIT.replace(/author .*\n/, '')],
    ['has no committer', COMMIT.replace(/committer .*\n/, '')],
    ['has its committer before its author', COMMIT.replace(/(author .*\n)(committer .*\n)/, '$2$1')],
    ['has two committers', `${COMMIT}committer ${PERSON}\n`],
    ['has a tree that is a name', COMMIT.replace(ID, 'refs/heads/main')],
    ['has a tree of 41 digits', COMMIT.replace(ID, `${ID}a`)],
    ['has a tree in capitals', COMMIT.replace(ID, ID.toUpperCase())],
    ['has a parent that is a name', COMMIT.replace('author', 'parent main\nauthor')],
    ['has a date that is none', COMMIT.replaceAll('1700000000', 'x')],
    ['has an author without an address', COMMIT.replace(' <a@example.com>', '')],
  ])('a commit that %s', (_, text) => {
    expect(() => parseCommit(object('commit', Buffer.from(text)))).toThrow(damaged)
  })

  const TAG = `object ${ID}\ntype commit\ntag v1\ntagger ${PERSON}\n`

  test('a tag is read as it is', () => {
    const bytes = Buffer.from(`${TAG}\nobject ${OTHER}\n`)
    expect(parseTag(object('tag', bytes))).toEqual({ object: ID, type: 'commit', name: 'v1' })
  })

  test.each([
    ['is empty', ''],
    ['has no object', TAG.replace(/object .*\n/, '')],
    ['has no type', TAG.replace(/type .*\n/, '')],
    ['has no name', TAG.replace(/tag .*\n/, '')],
    ['has its type first', TAG.replace(/(object .*\n)(type .*\n)/, '$2$1')],
    ['has another object at its end', `${TAG}object ${OTHER}\n`],
    ['has another type at its end', `${TAG}type tree\n`],
    ['has another name at its end', `${TAG}tag production\n`],
    ['has an object that is a name', TAG.replace(ID, 'main')],
  ])('a tag that %s', (_, text) => {
    expect(() => parseTag(object('tag', Buffer.from(text)))).toThrow(damaged)
  })

  const entry = (mode: string, name: string | Buffer) =>
    Buffer.concat([Buffer.from(`${mode} `), Buffer.from(name as string), Buffer.from([0]), Buffer.from(ID, 'hex')])

  test('a tree is read as it is', () => {
    const bytes = Buffer.concat([
      entry('100644', '.gitmodules'),
      entry('40000', '..a'),
      entry('100755', 'x'.repeat(255)),
    ])
    expect(parseTree(object('tree', bytes)).map(({ mode, name }) => [mode, name])).toEqual([
      ['file', '.gitmodules'],
      ['folder', '..a'],
      ['executable', 'x'.repeat(255)],
    ])
  })

  test.each(['', '.', '..', '.git', '.GIT', '.gIt', 'a/b', '/a', '../a', 'x'.repeat(256), Buffer.from([0x67, 0xf6])])(
    'a tree with the name %s',
    name => {
      const unsafe = expect.objectContaining({ code: 'tree_unsafe' })
      expect(() => parseTree(object('tree', entry('100644', name)))).toThrow(unsafe)
      expect(() => parseTree(object('tree', entry('40000', name)))).toThrow(unsafe)
    },
  )

  test('a tree with a name twice', () => {
    const bytes = Buffer.concat([entry('120000', 'a'), entry('40000', 'a')])
    expect(() => parseTree(object('tree', bytes))).toThrow(expect.objectContaining({ code: 'tree_unsafe' }))
  })

  test.each([
    ['a device', entry('020644', 'a')],
    ['a mode that is none', entry('777777', 'a')],
    ['a mode of letters', entry('constructor', 'a')],
    ['no mode', entry('', 'a')],
    ['an id that is cut off', entry('100644', 'a').subarray(0, -1)],
    ['no id', Buffer.from('100644 a\0')],
    ['no end of a name', Buffer.from('100644 a')],
    ['no name', Buffer.from('100644')],
    ['half an entry behind', Buffer.concat([entry('100644', 'a'), Buffer.from('1')])],
  ])('a tree with %s', (_, bytes) => {
    expect(() => parseTree(object('tree', bytes))).toThrow(damaged)
  })
})
