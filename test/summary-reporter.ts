import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/**
 * Prints `N passed, N failed` (and `, N skipped`, if any) as the very last line of the run, for whatever reads the output of a
 * build. A file that cannot be loaded and an error outside of any test count as failures: with the tests alone, a run that exits
 * with 1 could say "0 failed".
 */
export default class SummaryReporter implements Reporter {
  readonly #write: (line: string) => unknown

  constructor({ write = (line: string): unknown => process.stdout.write(line) } = {}) {
    this.#write = write
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      let failedTests = 0
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        count[state]++
        if (state === 'failed') failedTests++
      }
      if (failedTests === 0 && module.state() === 'failed') count.failed++
    }
    const skipped = count.skipped + count.pending
    const line = `${count.passed} passed, ${count.failed} failed${skipped ? `, ${skipped} skipped` : ''}`
    this.#write(`${line}\n`)
  }
}
