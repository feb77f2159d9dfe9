import { expect, test, vi } from 'vitest'
import { RequestError } from '../../client/error.ts'
import { VaultError } from '../../vault/error.ts'
import type { JobStatus } from './job-answer.ts'
import { waitForEnd } from './wait.ts'

const job = (status: string): JobStatus => ({ id: 'a'.repeat(24), status, output: '', returnCode: 0 })
const refusal = (status: number) => new RequestError({ status, code: `http_${status}`, message: `HTTP ${status}` })

/** Reads one step after the other; the last one for ever. */
function reading(...steps: (JobStatus | Error)[]) {
  return vi.fn(async () => {
    const step = (steps.length > 1 ? steps.shift() : steps[0]) as JobStatus | Error
    if (step instanceof Error) throw step
    return step
  })
}

function options(more: object = {}) {
  return { pollMs: 1, patienceMs: 5_000, signal: new AbortController().signal, onSilence: vi.fn(), ...more }
}

test('until it is neither queued nor running nor stopping', async () => {
  const read = reading(job('queued'), job('running'), job('stopping'), job('failed'))
  expect(await waitForEnd(read, options())).toEqual(job('failed'))
  expect(read).toHaveBeenCalledTimes(4)
})

test.each(['success', 'failed', 'notauthorised', 'unknown', 'a state of tomorrow'])('%s is an end', async status => {
  expect(await waitForEnd(reading(job(status)), options())).toEqual(job(status))
})

test.each([
  ['silence', refusal(0)],
  ['overload', refusal(503)],
  ['a gateway without its server', refusal(502)],
  ['too many requests', refusal(429)],
  ["GoStint's 400 for a Vault that is away", refusal(400)],
  ['a Vault that is away', new VaultError({ status: 0, path: 'x', errors: [] })],
])('%s passes, and is told once', async (_what, error) => {
  const chosen = options()
  const end = await waitForEnd(reading(job('running'), error, error, job('running'), job('success')), chosen)
  expect(end.status).toBe('success')
  expect(chosen.onSilence.mock.calls).toEqual([[error]])
})

test('two silences are told twice', async () => {
  const chosen = options()
  await waitForEnd(reading(refusal(0), job('running'), refusal(0), job('success')), chosen)
  expect(chosen.onSilence).toHaveBeenCalledTimes(2)
})

test('a silence without end ends the wait', async () => {
  const started = Date.now()
  await expect(waitForEnd(reading(refusal(0)), options({ patienceMs: 50 }))).rejects.toMatchObject({ status: 0 })
  expect(Date.now() - started).toBeGreaterThanOrEqual(50)
})

test.each([
  ['denied', refusal(403)],
  ['gone', refusal(404)],
  ['no job at all', refusal(200)],
  ['a login that Vault refuses', new VaultError({ status: 400, path: 'auth/approle/login', errors: [] })],
  ['a fault of ours', new TypeError('oops')],
])('%s does not pass', async (_what, error) => {
  const read = reading(error, job('success'))
  await expect(waitForEnd(read, options())).rejects.toBe(error)
  expect(read).toHaveBeenCalledTimes(1)
})

test('who wants to leave need not wait for the next look', async () => {
  const leaving = new AbortController()
  const waiting = waitForEnd(reading(job('running')), options({ pollMs: 60_000, signal: leaving.signal }))
  leaving.abort(new Error('SIGINT'))
  await expect(waiting).rejects.toThrow('SIGINT')
})
