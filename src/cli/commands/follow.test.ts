import { expect, test } from 'vitest'
import type { Client } from '../../client/client.ts'
import { RequestError } from '../../client/error.ts'
import type { EndEvent } from '../../protocol/output-event.ts'
import { exitCodeOf, followToEnd } from './follow.ts'

test.each<[string, unknown, number]>([
  ['success', 0, 0],
  ['failed', 3, 3],
  ['failed', 0, 125],
  ['failed', 256, 125],
  ['failed', -1, 255],
  ['failed', undefined, 125],
  ['running', undefined, 125],
])('the exit code of a job that is %s with %s is %i', (status, return_code, code) => {
  expect(exitCodeOf({ status, return_code } as Parameters<typeof exitCodeOf>[0])).toBe(code)
})

test('a server that goes away between the end of a job and the question for more: the code is known all the same', async () => {
  const end: EndEvent = { kind: 'end', offset: 0, status: 'failed', returnCode: 7 }
  const client = {
    async *follow() {
      yield end
    },
    get: async () => Promise.reject(new RequestError({ status: 0, code: 'unreachable', message: 'away' })),
  } as unknown as Client
  expect(await followToEnd(client, 'a', { offset: 0, json: false, identities: null })).toBe(7)
  await expect(followToEnd(client, 'a', { offset: 0, json: true, identities: null })).rejects.toThrow('away')
})
