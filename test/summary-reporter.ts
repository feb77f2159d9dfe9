import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/**
 * Prints `N passed, N failed` (and `, N skipped`, if any) as the very last line of the run, for whatever reads the output of a
 * build. At the exit of the process, since vitest reports a failed global set-up or tear-down after all reporters have ended.
 */
export default class SummaryReporter implements Reporter {
  #modules: readonly TestModule[] = []
  #unhandled: readonly SerializedError[] = []

  onInit(): void {
    process.once('exit', code => process.stdout.write(`${summary(this.#modules, this.#unhandled, code)}\n`))
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    this.#modules = modules
    this.#unhandled = unhandled
  }
}

/**
 * A file that cannot be loaded, an error outside of any test and whatever else makes the run fail count as failures: with the tests
 * alone, a run that exits with 1 could say "0 failed".
 */
export function summary(
  modules: readonly TestModule[],
  unhandled: readonly SerializedError[],
  exitCode: number,
): string {
  const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
  let failed = unhandled.length
  for (const module of modules) {
    const before = count.failed
    for (const test of module.children.allTests()) count[test.result().state]++
    if (count.failed === before && module.state() === 'failed') failed++
  }
  failed += count.failed
  if (failed === 0 && exitCode !== 0) failed = 1
  const skipped = count.skipped + count.pending
  return `${count.passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`
}
