import { expect, it } from 'vitest'
import { Clock } from '../clock.ts'
import { VirtualTime } from './virtual-time.ts'

it('moves when all sleep, to the first that wakes', async () => {
  const clock = new Clock(() => 0)
  const time = new VirtualTime(clock)
  const log: string[] = []
  const run = (name: string, ...sleeps: number[]) =>
    time.during(async () => {
      for (const milliseconds of sleeps) {
        await time.sleep(milliseconds)
        log.push(`${name} ${clock.now()}`)
      }
    })
  await Promise.all([run('a', 10, 10), run('b', 15), run('c')])
  expect(log).toEqual(['a 10', 'b 15', 'a 20'])
})
