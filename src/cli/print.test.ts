import { afterEach, expect, test, vi } from 'vitest'
import { printJson } from './print.ts'

afterEach(() => void vi.restoreAllMocks())

test('JSON holds nothing that moves the cursor, and is what it was', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const value = { output: 'a\u001b[2J\u007f\u0080\u009b2Jé\u00a0日本' }
  printJson(value)
  const line = String(write.mock.calls[0]?.[0])
  expect(line).toMatch(/^\P{Cc}*\n$/u)
  expect(JSON.parse(line)).toEqual(value)
})
