import { UsageError } from '../failure.ts'

/**
 * Reads flags as Go programs take them: `-name value`, `-name=value`, with one dash or two; a boolean is a yes by itself, or
 * `-name=false` (gatekeeper.md §4). A later one wins. Throws `UsageError`; values are not repeated in it.
 */
export function readGoFlags(args: readonly string[], booleans: ReadonlySet<string>): Map<string, string> {
  const flags = new Map<string, string>()
  for (let at = 0; at < args.length; at++) {
    const [, name, value] = /^--?([a-z][a-z0-9-]*)(?:=([\s\S]*))?$/.exec(args[at] ?? '') ?? []
    if (name === undefined) throw new UsageError('an argument is no flag', 'writ gate --help lists them')
    if (value !== undefined) flags.set(name, value)
    else if (booleans.has(name)) flags.set(name, 'true')
    else {
      const next = args[++at]
      if (next === undefined) throw new UsageError(`-${name} needs a value`)
      flags.set(name, next)
    }
  }
  return flags
}
