import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jobOf } from './job.ts'
import { OptionsError } from './options.ts'

const jobJson = (job: unknown) => JSON.stringify(job)

test('flags alone', async () => {
  expect(
    await jobOf({
      qname: 'q',
      image: 'busybox',
      'image-pull-policy': 'Always',
      entrypoint: '["sh", "-c"]',
      run: '["echo hello"]',
      'run-dir': '/tmp',
      'env-vars': '["A=1"]',
      'secret-refs': '["A@kv/data/a.b"]',
      'secret-filetype': 'json',
      'cont-on-warnings': true,
    }),
  ).toEqual({
    qname: 'q',
    container_image: 'busybox',
    image_pull_policy: 'Always',
    entrypoint: ['sh', '-c'],
    run: ['echo hello'],
    working_directory: '/tmp',
    env_vars: ['A=1'],
    secret_refs: ['A@kv/data/a.b'],
    secret_file_type: 'json',
    cont_on_warnings: true,
  })
})

test('no flag: the job is as it was written, also where flags have a default', async () => {
  const job = { qname: 'q', image_pull_policy: 'Always', secret_file_type: 'json', cont_on_warnings: true, tty: true }
  expect(await jobOf({ 'job-json': jobJson(job) })).toEqual(job)
  expect(await jobOf({})).toEqual({})
})

test('a flag wins over the job; an empty one does not', async () => {
  const job = { qname: 'one', container_image: 'one', run: ['one'], env_vars: ['A=1'] }
  const json = { 'job-json': jobJson(job) }
  expect(await jobOf({ ...json, qname: 'two', run: '["two"]' })).toEqual({ ...job, qname: 'two', run: ['two'] })
  expect(await jobOf({ ...json, qname: '', run: '', image: '', 'env-vars': '' })).toEqual(job)
  expect(await jobOf({ ...json, run: '[]' })).toEqual({ ...job, run: [] })
})

test('-cont-on-warnings can only switch on', async () => {
  const json = { 'job-json': jobJson({ cont_on_warnings: true }) }
  expect(await jobOf({ ...json, 'cont-on-warnings': false })).toEqual({ cont_on_warnings: true })
})

test('fields that only a newer server knows go with the job', async () => {
  const job = { tty: true, priority: 7, nested: { a: [null] } }
  expect(await jobOf({ 'job-json': jobJson(job) })).toEqual(job)
})

test('known fields are read as GoStint reads them: in any case, and null is nothing', async () => {
  const job = { QName: 'Deploy', Container_Image: 'busybox', run: null, content: null }
  expect(await jobOf({ 'job-json': jobJson(job) })).toEqual({ qname: 'deploy', container_image: 'busybox' })
})

test('the queue is lower-cased', async () => {
  expect(await jobOf({ qname: 'Deploy' })).toEqual({ qname: 'deploy' })
})

describe('refused, without a word of what was in it', () => {
  test.each([
    ['{', '-job-json is not a JSON object'],
    ['[]', '-job-json is not a JSON object'],
    ['null', '-job-json is not a JSON object'],
    ['"canary"', '-job-json is not a JSON object'],
    ['{"run": ["canary"]} canary', '-job-json is not a JSON object'],
    ['{"run": "canary"}', '-job-json: .*run'],
    ['{"tty": "canary"}', '-job-json: .*tty'],
    ['{"image_pull_policy": "canary"}', '-job-json: .*image_pull_policy'],
  ])('-job-json %s', async (text, message) => {
    const error = await jobOf({ 'job-json': text }).catch(thrown => thrown)
    expect(error).toBeInstanceOf(OptionsError)
    expect(error.message).toMatch(new RegExp(`^${message}`))
    expect(error.message).not.toContain('canary')
  })

  test.each(['run', 'entrypoint', 'env-vars', 'secret-refs'] as const)('-%s', async name => {
    const notStrings = fc.oneof(
      fc.string().filter(text => !/^\s*\[/.test(text) && text !== ''),
      fc.constantFrom('echo canary', '["canary"', '["canary", 1]', '[["canary"]]', '{"canary": 1}', 'null', '"canary"'),
    )
    await fc.assert(
      fc.asyncProperty(notStrings, async text => {
        const error = await jobOf({ [name]: text }).catch(thrown => thrown)
        expect(error).toBeInstanceOf(OptionsError)
        expect(error.message).toBe(`-${name} is not a JSON array of strings, such as '["a", "b"]'`)
      }),
    )
  })

  test('-secret-filetype', async () => {
    await expect(jobOf({ 'secret-filetype': 'toml' })).rejects.toThrow('-secret-filetype is either yaml or json')
  })

  test('-content that is not there', async () => {
    await expect(jobOf({ content: './no/such' })).rejects.toThrow('-content cannot be packed: ./no/such (ENOENT)')
  })
})

test('any array of strings arrives as it was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary' })), async run => {
      expect((await jobOf({ run: JSON.stringify(run) })).run).toEqual(run)
    }),
  )
})
