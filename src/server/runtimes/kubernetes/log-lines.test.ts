import { expect, test } from 'vitest'
import { LogLines, type LogPiece, sinceOf } from './log-lines.ts'

const BASE = Date.parse('2026-01-01T00:00:00Z')
const stamp = (ns: number) => `2026-01-01T00:00:0${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}Z`
const line = (ns: number, text: string) => `${stamp(ns)} ${text}\n`
const textOf = (pieces: readonly LogPiece[]) => pieces.map(({ data }) => data.toString()).join('')

function read(log: string, from = 0, size = 7): { text: string; bytes: Buffer; position: number } {
  const lines = new LogLines(BASE, from)
  const bytes = Buffer.from(log)
  const pieces: LogPiece[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(...lines.push(bytes.subarray(at, at + size)))
  pieces.push(...lines.end())
  const last = pieces.at(-1)
  const given = Buffer.concat(pieces.map(({ data }) => data))
  return { text: given.toString(), bytes: given, position: last ? last.position + last.data.length : from }
}

const LINES = Array.from({ length: 200 }, (_, i) => `line ${i} ${'é'.repeat(i % 7)}${i % 11 === 0 ? '\n' : ''}`)
const LOG = LINES.map((text, i) => line(i * 20_000 + 1_000, text.replaceAll('\n', ''))).join('')
const WHOLE = LINES.map(text => `${text.replaceAll('\n', '')}\n`).join('')

test.each([1, 3, 64, 100_000])('the times are taken away, whatever the pieces (%i)', size => {
  expect(read(LOG, 0, size).text).toBe(WHOLE)
})

test('from every position on the rest comes, once and whole, also of a log that has forgotten its beginning', () => {
  const lines = new LogLines(BASE, 0)
  let given = ''
  for (const { data, position } of lines.push(Buffer.from(LOG))) {
    const at = position + Math.floor(data.length / 2)
    const half = data.subarray(0, Math.floor(data.length / 2))
    const rest = Buffer.from(WHOLE).subarray(Buffer.byteLength(given) + half.length)
    expect(read(LOG, at).bytes).toEqual(rest)
    given += data.toString()
    const later = LOG.slice(LOG.indexOf(stamp(Math.floor(position / 20_000) * 20_000 + 1_000)))
    expect(read(later, position).text.startsWith(data.toString())).toBe(true)
  }
})

test('lines of one instant, and of a clock that is put back, keep their order', () => {
  const log = [line(5_000, 'a'), line(5_000, 'b'), line(4_000, 'c'), line(9_000, 'd')].join('')
  expect(read(log).text).toBe('a\nb\nc\nd\n')
  const { position } = read([line(5_000, 'a'), line(5_000, 'b')].join(''))
  expect(read(log, position).text).toBe('c\nd\n')
})

test('a long line comes in pieces that do not end inside a character, and its end may be missing', () => {
  const long = `${'x'.repeat(65_534)}${'€'.repeat(30_000)}`
  const lines = new LogLines(BASE, 0)
  const pieces = lines.push(Buffer.from(`${stamp(1_000)} ${long}`))
  for (const { data } of pieces) expect(data.toString()).not.toContain('\ufffd')
  expect(pieces.length).toBeGreaterThan(1)
  expect(textOf([...pieces, ...lines.end()])).toBe(long)
  // read again from the middle of it
  const [first] = pieces
  const again = read(`${stamp(1_000)} ${long}\n`, (first?.position ?? 0) + (first?.data.length ?? 0), 50_000)
  expect(again.text).toBe(`${long.slice(first?.data.toString().length)}\n`)
})

test('the rest of a line whose beginning is not there any more was given out', () => {
  expect(read(`rest of a line\n${line(7_000, 'next')}`).text).toBe('next\n')
})

test('other forms of times, and a time to read again from', () => {
  expect(read('2026-01-01T01:00:00.5+01:00 a\n2026-01-01T00:00:01Z b\n')).toMatchObject({ text: 'a\nb\n' })
  expect(sinceOf(BASE, 61e9 + 5)).toBe('2026-01-01T00:00:59Z')
})

test.each(['9999-12-31T23:59:59Z', '2026-12-31T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-01T00:00:00+99:99'])(
  'a piece of a line that begins with the time %s, as its job wrote it, moves no position beyond what there is',
  time => {
    const after = line(5_000, 'and on')
    const { text, position } = read(`${time} forged\n${after}`, 0)
    expect(Number.isSafeInteger(position)).toBe(true)
    expect(text.endsWith('and on\n')).toBe(true)
    // whoever reads it again from there finds what comes next
    expect(read(`${time} forged\n${after}${line(9_000_000, 'the end')}`, position).text).toBe('the end\n')
  },
)
