import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { tidyOwn } from './own-directories.ts'

const parent = mkdtempSync(join(tmpdir(), 'writ-own-'))
afterAll(() => rmSync(parent, { recursive: true }))

test('what a watch keeps for itself goes with it, and what it has not used for a week', async () => {
  const copy = (watch: string, letter: string, days: number) => {
    const path = join(parent, watch, `${letter.repeat(32)}.git`)
    mkdirSync(path, { recursive: true })
    const at = new Date(Date.now() - days * 86_400_000)
    utimesSync(path, at, at)
    return path
  }
  const [used, idle, gone] = [copy('here', 'a', 6), copy('here', 'b', 8), copy('gone', 'c', 0)]
  expect(await tidyOwn(parent, async () => ['here'])).toBe(2)
  expect([used, idle, gone].map(path => existsSync(path))).toEqual([true, false, false])
  expect(await tidyOwn(join(parent, 'nowhere'), async () => [])).toBe(0)
})
