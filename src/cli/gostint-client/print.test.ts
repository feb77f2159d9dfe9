import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RequestError } from '../../client/error.ts'
import { VaultError } from '../../vault/error.ts'
import { readStatus } from './job-answer.ts'
import { OptionsError } from './options.ts'
import { type Output, printEnd, printError, printLeft, traceTo } from './print.ts'

function stream(facts: Pick<Output, 'isTTY' | 'hasColors'> = {}) {
  return Object.assign(new PassThrough(), facts)
}
const terminal = () => stream({ isTTY: true, hasColors: () => true })

/** All that was written by now, once. */
function text(written: PassThrough): string {
  let all = ''
  for (let piece = written.read(); piece !== null; piece = written.read()) all += piece
  return all
}

const job = (more: object) => ({ id: 'a'.repeat(24), status: 'success', output: '', returnCode: 0, ...more })

describe('the end of a job', () => {
  test('success: the output as it is, nothing before and nothing after it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.boolean(), (output, onTerminal) => {
        const out = onTerminal ? terminal() : stream()
        expect(printEnd(job({ output }), out)).toBe(0)
        expect(text(out)).toBe(output)
      }),
      { examples: [['100% %d %s %!(EXTRA) \\n', false]] },
    )
  })

  test('no success: the state and the output, and a line end', () => {
    const out = stream()
    expect(printEnd(job({ status: 'failed', output: 'half 50%\n', returnCode: 3 }), out)).toBe(3)
    expect(text(out)).toBe('[failed] half 50%\n')
  })

  test('no success is red on a terminal that has colours, and nowhere else', () => {
    const failed = job({ status: 'failed', output: 'a \u001b[39m b' })
    const red = terminal()
    printEnd(failed, red)
    expect(text(red)).toBe('\u001b[91m[failed] a \u001b[39m b\u001b[0m\n')
    for (const out of [stream(), stream({ isTTY: true, hasColors: () => false }), stream({ hasColors: () => true })]) {
      printEnd(failed, out)
      expect(text(out)).toBe('[failed] a \u001b[39m b\n')
    }
  })

  test.each([
    ['success', 0, 0],
    ['failed', 42, 42],
    ['failed', 0, 1],
    ['notauthorised', 0, 1],
    ['unknown', 0, 1],
    ['failed', 137, 137],
    ['failed', 256, 1],
    ['failed', -1, 255],
  ])('%s with %i exits with %i', (status, returnCode, code) => {
    expect(printEnd(job({ status, returnCode }), stream())).toBe(code)
  })
})

test.each([
  ['queued', 0, 0],
  ['running', 0, 0],
  ['success', 0, 0],
  ['failed', 3, 3],
  ['notauthorised', 0, 1],
])('a job that was left, %s with %i: its state, its id, and %i', (status, returnCode, code) => {
  const out = terminal()
  expect(printLeft(job({ status, returnCode, output: 'unseen' }), out)).toBe(code)
  expect(text(out)).toBe(`[${status}] ${'a'.repeat(24)}\n`)
})

describe('errors', () => {
  test('bold red on a terminal, plain elsewhere', () => {
    const [plain, red] = [stream(), terminal()]
    for (const err of [plain, red]) expect(printError(new Error('oops'), err)).toBe(1)
    expect(text(plain)).toBe('Error: oops\n')
    expect(text(red)).toBe('\u001b[1;31mError: oops\u001b[0m\n')
  })

  test('every problem has its line', () => {
    const err = stream()
    printError(new OptionsError(['one', 'two']), err)
    expect(text(err)).toBe('Error: one\nError: two\n')
  })

  test('the code of the server, and what to do', () => {
    const err = stream()
    printError(new RequestError({ status: 403, code: 'wrap_invalid', message: 'opened', remedy: 'Look.' }), err)
    expect(text(err)).toBe('Error: opened (wrap_invalid)\nnext: Look.\n')
  })

  test.each([
    [{ status: 403, path: 'auth/token/lookup-self', errors: ['permission denied'] }, 'Check the Vault token'],
    [{ status: 400, path: 'auth/approle/login', errors: ['invalid secret id'] }, 'Check the RoleID and the SecretID'],
    [{ status: 404, path: 'transit/encrypt/x', errors: [] }, 'Check -gostint-approle'],
    [{ status: 0, path: 'x', errors: ['ECONNREFUSED'] }, 'Check -vault-url'],
    [{ status: 0, path: 'x', errors: ['DEPTH_ZERO_SELF_SIGNED_CERT'] }, 'Name the PEM file'],
  ])('Vault: %j', (fields, advice) => {
    const err = stream()
    printError(new VaultError(fields), err)
    expect(text(err)).toContain(`\nnext: ${advice}`)
  })
})

test('a trace is shown only to who wants it', () => {
  const out = stream()
  traceTo(out, false)('one')
  traceTo(out, true)('two')
  expect(text(out)).toMatch(/^\d{4}-\d\d-\d\dT\S+Z two\n$/)
})

describe('an answer of the server', () => {
  test("GoStint's and writ's own", () => {
    expect(readStatus({ _id: 'x', status: 'queued', qname: '' })).toEqual(job({ id: 'x', status: 'queued' }))
    expect(readStatus({ _id: 'x', status: 'failed', output: null, return_code: null, more: [] })).toEqual(
      job({ id: 'x', status: 'failed' }),
    )
  })

  test.each([
    [null],
    [[]],
    ['x'],
    [{}],
    [{ _id: '', status: 'queued' }],
    [{ _id: 'x', status: '' }],
    [{ _id: 7, status: 'queued' }],
    // the list, which GoStint's own client took for an ended job when a submission was refused
    [{ data: [], skip: 0, limit: 10, total: 0 }],
    [{ _id: 'x', status: 'success', return_code: 0.5 }],
    [{ _id: 'x', status: 'success', return_code: '0' }],
    [{ _id: 'x', status: 'success', output: {} }],
  ])('%j is none', answer => {
    expect(() => readStatus(answer)).toThrow('the answer of the server is not a job')
  })
})

test('what a courier says moves no cursor and adds no line; the output of the job stays as it is', () => {
  const evil = '\u001b[2J\u009b1A\r\nx'
  const [out, err] = [terminal(), stream()]
  printLeft(job({ id: evil, status: evil }), out)
  printEnd(job({ status: evil, output: 'a\u001b[1mb\n' }), out)
  traceTo(out, true)(evil)
  expect(text(out).replaceAll(/\u001b\[(91|36|0)m/g, '')).toMatch(
    /^\[ {2}x\] {3}x\n\[ {2}x\] a\u001b\[1mb\n\S+ {3}x\n$/,
  )
  printError(RequestError.from(400, { error: evil, remedy: evil }), err)
  expect(text(err)).toBe('Error:   x (http_400)\nnext:   x\n')
})
