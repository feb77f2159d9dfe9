import { expect, test } from 'vitest'
import SummaryReporter from './summary-reporter.ts'

type Ended = Parameters<SummaryReporter['onTestRunEnd']>
type State = 'passed' | 'failed' | 'skipped' | 'pending'

/** A test file as vitest reports it, as far as the reporter looks. */
function file(state: State, ...tests: State[]): Ended[0][number] {
  const allTests = () => tests.map(one => ({ result: () => ({ state: one }) }))
  return { state: () => state, children: { allTests } } as unknown as Ended[0][number]
}

function line(files: Ended[0], unhandled: Ended[1] = []): string {
  let written = ''
  new SummaryReporter({ write: text => (written += text) }).onTestRunEnd(files, unhandled)
  return written
}

test('all files together, on one line', () => {
  expect(line([file('passed', 'passed', 'passed'), file('failed', 'passed', 'failed')])).toBe('3 passed, 1 failed\n')
})

test('skipped tests are named only if there are any', () => {
  expect(line([file('passed', 'passed', 'skipped', 'pending')])).toBe('1 passed, 0 failed, 2 skipped\n')
})

test('a file that cannot be loaded is a failure', () => {
  expect(line([file('failed'), file('passed', 'passed')])).toBe('1 passed, 1 failed\n')
})

test('a file whose set-up fails is a failure although its tests count as skipped', () => {
  expect(line([file('failed', 'skipped')])).toBe('0 passed, 1 failed, 1 skipped\n')
})

test('an error outside of all tests is a failure', () => {
  expect(line([file('passed', 'passed')], [{ message: 'boom' }])).toBe('1 passed, 1 failed\n')
})

test('a run without any test is not a failure by itself', () => {
  expect(line([])).toBe('0 passed, 0 failed\n')
})
