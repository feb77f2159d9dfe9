import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cpuTime } from '../../test/cpu-time.ts'
import { readBody, setKeys } from './body.ts'
import { WritError } from './errors.ts'
import { JobSpec, Submission } from './job.ts'

const read = (value: unknown) => readBody(JobSpec, value, 'body_invalid')
const parsed = (json: string) => read(JSON.parse(json))

test('keys match in any case, unknown ones are ignored, null is absent', () => {
  expect(
    parsed('{"QName":"q","CONTAINER_IMAGE":"b","container_id":"x","_id":7,"tty":null,"run":["a"],"Env_Vars":null}'),
  ).toEqual({ qname: 'q', container_image: 'b', run: ['a'] })
})

test('of the same key twice the last one counts, and null takes nothing back', () => {
  expect(parsed('{"qname":"a","QNAME":"b","qname":"c"}')).toEqual({ qname: 'b' })
  expect(parsed('{"qname":"a","QNAME":"b"}')).toEqual({ qname: 'b' })
  expect(parsed('{"qname":"a","QNAME":null}')).toEqual({ qname: 'a' })
})

test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('the key %s does nothing', key => {
  const body = parsed(`{"${key}":{"container_image":"evil","tty":true},"qname":"q"}`)
  expect(body).toEqual({ qname: 'q' })
  expect(body.container_image).toBeUndefined()
  expect(Object.getPrototypeOf(body)).toBe(Object.prototype)
  expect({}).not.toHaveProperty('tty', true)
})

test.each([null, [], [{}], 'text', 7, true, undefined])('%j is no object', value => {
  expect(() => read(value)).toThrow(expect.objectContaining({ code: 'body_invalid', detail: 'not a JSON object' }))
})

test.each<[string, object]>([
  ['qname', { qname: 7 }],
  ['tty', { TTY: 'canary-value' }],
  ['run', { run: 'canary-value' }],
  ['run.1', { run: ['a', { x: 'canary-value' }] }],
  ['env_vars.0', { env_vars: [null] }],
  ['image_pull_policy', { image_pull_policy: 'canary-value' }],
  ['secret_file_type', { secret_file_type: 'YAML' }],
  ['container_image', { container_image: ['canary-value'] }],
  ['cont_on_warnings', { cont_on_warnings: 1 }],
])('a wrong type of %s says which field, and not what was in it', (field, value) => {
  const error = (() => {
    try {
      return read(value)
    } catch (thrown) {
      return thrown as WritError
    }
  })()
  expect(error).toBeInstanceOf(WritError)
  expect((error as WritError).detail).toMatch(new RegExp(`^${field.replace('.', '\\.')} `))
  expect(JSON.stringify(error) + String(error)).not.toContain('canary')
})

test('whatever JSON comes: a body of the right types, or a refusal', () => {
  const key = fc.constantFrom(...Object.keys(Submission.properties), 'QNAME', '__proto__', 'x')
  fc.assert(
    fc.property(fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.string(), fc.array(fc.string()))), value => {
      try {
        const body = readBody(Submission, JSON.parse(JSON.stringify(value)), 'body_invalid')
        for (const name of ['qname', 'wrap_secret_id', 'cubby_token', 'payload'] as const) {
          expect(['string', 'undefined']).toContain(typeof body[name])
        }
        expect((body.run ?? []).every(item => typeof item === 'string')).toBe(true)
      } catch (error) {
        expect(error).toMatchObject({ name: 'WritError', code: 'body_invalid' })
      }
    }),
    { numRuns: 500 },
  )
})

test('a million wrong items are refused in little time, wherever they are', () => {
  const spent = cpuTime(() => {
    expect(() => read({ run: Array(1_000_000).fill(1) })).toThrow('run.0 must be string')
    expect(() => read({ run: [...Array(1_000_000).fill('a'), 1] })).toThrow('a long list')
  })
  expect(spent).toBeLessThan(500)
})

test('what is set: in the spelling of the schema, and nothing that says nothing', () => {
  expect(
    setKeys(Submission, { QNAME: 'q', run: [], tty: false, env_vars: ['A=1'], payload: '', content: null, other: 0 }),
  ).toEqual(['qname', 'env_vars', 'other'])
})
