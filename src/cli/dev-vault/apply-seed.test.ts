import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadSeed } from './apply-seed.ts'

test('a name in the file adds no line to what is said about it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'writ-seed-'))
  const file = join(folder, 'seed.yaml')
  await writeFile(file, '"a\\nwrit: forged": {}\nsecrets:\n  "b\\e[2J\\nwrit: forged": {a: b}\n')
  const { message } = (await loadSeed(file).catch((error: Error) => error as Error & { message: string })) as Error
  expect(message.split('\n').slice(1)).toEqual([
    expect.stringMatching(/^ {2}line 1: a writ: forged is not known here/),
    '  line 3: b writ: forged: no kv engine is mounted there',
  ])
  await rm(folder, { recursive: true })
})
