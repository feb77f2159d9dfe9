import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { withHeartbeat } from './heartbeat.ts'

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const piece of pieces) all.push(piece)
  return all
}

test('nothing is added to what comes without a pause', async () => {
  async function* quick() {
    yield* ['a', 'b', 'c']
  }
  expect(await collect(withHeartbeat(quick(), '.', 1_000))).toEqual(['a', 'b', 'c'])
})

test('a beat for each stretch of silence, and no piece is lost', async () => {
  async function* slow() {
    yield 'a'
    await sleep(130)
    yield 'b'
  }
  const all = await collect(withHeartbeat(slow(), '.', 50))
  expect(all.filter(piece => piece !== '.')).toEqual(['a', 'b'])
  expect(all.filter(piece => piece === '.').length).toBeGreaterThanOrEqual(1)
})

test('an error goes on to whoever reads', async () => {
  async function* broken() {
    yield 'a'
    throw new Error('broken')
  }
  await expect(collect(withHeartbeat(broken(), '.', 50))).rejects.toThrow('broken')
})

test('who stops reading ends the source', async () => {
  let ended = false
  async function* source() {
    try {
      for (let i = 0; ; i += 1) yield String(i)
    } finally {
      ended = true
    }
  }
  for await (const piece of withHeartbeat(source(), '.', 50)) if (piece === '3') break
  expect(ended).toBe(true)
})
