import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { eraseStatus, StatusLine } from './status-line.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function terminal(isTTY: boolean, columns = 80) {
  const written: string[] = []
  const stream = Object.assign(new PassThrough(), { isTTY, columns, write: (text: string) => written.push(text) > 0 })
  return { written, line: new StatusLine(stream as unknown as NodeJS.WriteStream) }
}

test('what is waited for and since when, in one line that goes away', () => {
  const { written, line } = terminal(true)
  line.say('waiting')
  vi.advanceTimersByTime(61_000)
  line.say('running')
  expect(written.join('')).toMatch(/^\r\x1b\[K.*▸ waiting 0:00/)
  expect(written.join('')).toContain('▸ waiting 1:01')
  expect(written.at(-1)).toContain('▸ running 0:00')
  eraseStatus()
  expect(written.at(-1)).toBe('\r\x1b[K')
  line.end()
  const { length } = written
  vi.advanceTimersByTime(5000)
  line.say('never')
  eraseStatus()
  expect(written).toHaveLength(length)
})

test('hours, and no more than fits', () => {
  const { written, line } = terminal(true, 20)
  line.say('running')
  vi.advanceTimersByTime(3_723_000)
  expect(written.at(-1)).toContain('▸ running 1:02:03')
  line.say('waiting in a queue with a long name')
  expect(stripVTControlCharacters(written.at(-1) ?? '').trim()).toBe('▸ waiting in a queue')
  line.end()
})

test('not in a pipe', () => {
  const { written, line } = terminal(false)
  line.say('waiting')
  vi.advanceTimersByTime(5000)
  line.end()
  expect(line.live).toBe(false)
  expect(written).toEqual([])
})
