import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readBody } from '../../protocol/body.ts'
import { WritError } from '../../protocol/errors.ts'
import { JobSpec } from '../../protocol/job.ts'
import { makeOrder } from './order.ts'
import { SUBMIT_ERRORS } from './submit.ts'

/** What the fields of a job take, what they nearly take, and anything else that JSON can say. */
const anything = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('busybox', 'a@secret/b.c', 'A=1', '90s', '1k', 'none', 'targz,aGVs', 7, true, 0.5),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\0', 'a\0b', '\ud800', '', ' ', '-x', '../b', 'a@../b.c', '=1', '1e400', -1, 2 ** 60),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom({}, { memory: '1k' }, { memory: 'x', cpus: -1 }, { pids: 1e20 }, { network: '..' }),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
)
const field = fc.constantFrom(...Object.keys(JobSpec.properties), 'QNAME', 'Run', '__proto__', 'constructor')
const job = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.tuple(field, fc.oneof(anything, fc.array(anything, { maxLength: 3 }))), { maxLength: 5 }),
  )
  // most of them with an image: without one nothing else would be looked at
  .map(
    ([image, fields]) =>
      `{${[...(image ? [['container_image', 'busybox']] : []), ...fields].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join()}}`,
  )

test('whatever JSON comes for a job: an order that can be kept and carried out, or a refusal that is in the registry', async () => {
  const seen = { taken: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(job, async json => {
      try {
        const order = await makeOrder(readBody(JobSpec, JSON.parse(json), 'body_invalid'))
        seen.taken += 1
        // the same after the way through the database
        expect(JSON.parse(JSON.stringify(order))).toEqual(order)
        expect(order.image).toMatch(/^\w[\w.:/@-]*$/)
        expect(order.qname).toBe(order.qname.toLowerCase())
        const texts = [order.qname, order.workingDirectory, ...order.entrypoint, ...order.run, ...order.envVars]
        expect(texts.filter(text => typeof text !== 'string' || text.includes('\0'))).toEqual([])
        expect(order.secretRefs.map(({ path }) => path).filter(path => !/^[\w-]+(\/[\w-]+)*$/.test(path))).toEqual([])
      } catch (error) {
        if (!(error instanceof WritError)) throw error
        seen.refused += 1
        expect(SUBMIT_ERRORS).toContain(error.code)
      }
    }),
    { numRuns: 2_000 },
  )
  // neither side is there for nothing
  expect(seen.taken).toBeGreaterThan(100)
  expect(seen.refused).toBeGreaterThan(100)
})
