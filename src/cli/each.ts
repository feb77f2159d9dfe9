import { EXIT, reportFailure } from './failure.ts'

/**
 * Does it to each of several that were named. One that fails, because it has gone meanwhile for example, keeps none behind it back: what
 * is wrong with each is said. Returns the exit code, of the last that failed.
 */
export async function each(names: readonly string[], act: (name: string) => Promise<void>): Promise<number> {
  let code: number = EXIT.ok
  for (const name of names) {
    await act(name).catch(error => {
      code = reportFailure(error, process.stderr)
    })
  }
  return code
}
