import type { FastifyRequest } from 'fastify'
import { describe, expect, test } from 'vitest'
import { parseJson } from './json-body.ts'

const request = { routeOptions: { config: {} } } as FastifyRequest
const parse = async (text: string) => await parseJson(request, Buffer.from(text))

describe('the first value of a body', () => {
  test.each([
    ['alone', '{"a":1}', { a: 1 }],
    ['and another one', '{"a":1}{"a":2}', { a: 1 }],
    ['behind blanks, before rubbish', ' \n{"a":[{"b":"}"}]} and so on', { a: [{ b: '}' }] }],
    ['with quotes and brackets in its texts', String.raw`{"a\"}{":"\\"}x"`, { 'a"}{': '\\' }],
  ])('%s', async (_, text, value) => {
    expect(await parse(text)).toEqual(value)
  })

  test.each(['x{"a":1}', '"{}"{"a":1}', '{"a":1', '[]{}', '{"a":1]', String.raw`{"a":"\"}`])(
    'none in %s',
    async text => {
      await expect(parse(text)).rejects.toMatchObject({ code: 'body_not_json' })
    },
  )

  test.each([
    ['quotes behind backslashes', `{${String.raw`\"`.repeat(1_000_000)}`],
    ['quotes', `{${'"'.repeat(2_000_001)}`],
    ['brackets', '{['.repeat(1_000_000)],
    ['blanks', ' '.repeat(2_000_000)],
  ])(
    'is found, or not, in one look: %s',
    async (_, text) => {
      const before = process.threadCpuUsage()
      await expect(parse(text)).rejects.toMatchObject({ code: 'body_not_json' })
      const { user } = process.threadCpuUsage(before)
      // the square of two million would take hours
      expect(user / 1000).toBeLessThan(5_000)
    },
    60_000,
  )
})
