import { expect, test } from 'vitest'
import { createLog } from '../log.ts'
import { plainLines } from './plain-lines.ts'

test('a line of texts and numbers is what the log itself would have written', () => {
  const lines: string[] = []
  const log = createLog('info', { write: line => void lines.push(line) }).child({ part: 'gate' })
  const facts = { task: 't1', name: 'a "name"\n', ms: 3, token: 'the word, not a value' }
  log.info(facts, 'said')
  plainLines(log)(facts, 'said')
  const [long, plain] = lines.map(line => ({ ...JSON.parse(line), time: 0 }))
  expect(plain).toEqual(long)
})

test('and none where the log is to write less', () => {
  const lines: string[] = []
  plainLines(createLog('warn', { write: line => void lines.push(line) }))({ task: 't1' }, 'said')
  expect(lines).toEqual([])
})
