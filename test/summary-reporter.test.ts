import { expect, test } from 'vitest'
import { summary } from './summary-reporter.ts'

type Modules = Parameters<typeof summary>[0]
type State = 'passed' | 'failed' | 'skipped' | 'pending'

/** A test file as vitest reports it, as far as the summary looks. */
function file(state: State, ...tests: State[]): Modules[number] {
  const allTests = () => tests.map(one => ({ result: () => ({ state: one }) }))
  return { state: () => state, children: { allTests } } as unknown as Modules[number]
}

test('all files together, on one line', () => {
  expect(summary([file('passed', 'passed', 'passed'), file('failed', 'passed', 'failed')], [], 1)).toBe(
    '3 passed, 1 failed',
  )
})

test('skipped tests are named only if there are any', () => {
  expect(summary([file('passed', 'passed', 'skipped', 'pending')], [], 0)).toBe('1 passed, 0 failed, 2 skipped')
})

test('a file that cannot be loaded is a failure', () => {
  expect(summary([file('failed'), file('passed', 'passed')], [], 1)).toBe('1 passed, 1 failed')
})

test('a file whose set-up fails is a failure although its tests count as skipped', () => {
  expect(summary([file('failed', 'skipped')], [], 1)).toBe('0 passed, 1 failed, 1 skipped')
})

test('an error outside of all tests is a failure', () => {
  expect(summary([file('passed', 'passed')], [{ message: 'boom' }], 1)).toBe('1 passed, 1 failed')
})

test('a run that fails before the first test is a failure', () => {
  expect(summary([], [], 1)).toBe('0 passed, 1 failed')
})
