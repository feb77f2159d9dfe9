import { expect, test } from 'vitest'
import { outcomeOf } from './outcome.ts'

const exit = { code: 255, outOfMemory: false }

test('a code that an engine says of an end that it did not see is no failure of the job, and no success', () => {
  expect(outcomeOf(exit, '')).toMatchObject({ status: 'failed', returnCode: 255, errorCode: '' })
  expect(outcomeOf({ ...exit, uncertain: true }, '')).toMatchObject({
    status: 'unknown',
    returnCode: 255,
    errorCode: 'exit_code_lost',
  })
  expect(outcomeOf({ ...exit, uncertain: true }, 'job_killed')).toMatchObject({ errorCode: 'job_killed' })
})

test('a job that was killed has failed, whatever its code is', () => {
  for (const code of [0, 3, 143])
    expect(outcomeOf({ code, outOfMemory: false }, 'job_killed')).toMatchObject({ status: 'failed', returnCode: code })
})

test('a job that its engine stopped at the deadline was late, unless we stopped it for another reason', () => {
  const late = { code: 137, outOfMemory: false, late: true }
  expect(outcomeOf(late, '')).toMatchObject({ status: 'failed', returnCode: 137, errorCode: 'job_timeout' })
  expect(outcomeOf(late, 'job_killed')).toMatchObject({ errorCode: 'job_killed' })
  expect(outcomeOf({ code: 0, outOfMemory: false }, '')).toMatchObject({ status: 'success', errorCode: '' })
})
