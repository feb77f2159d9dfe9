/** One flag; its text is what `-h` and the documents say of it. */
export interface Flag {
  readonly kind: 'text' | 'number' | 'boolean'
  readonly help: string
  /** As it is shown. Whoever reads the flags decides what an absent one means. */
  readonly default?: string
  /** `@file` stands for what is in that file. */
  readonly file?: boolean
}

export type FlagTable = Readonly<Record<string, Flag>>

/** The flags that were given, and no others: a default must not look like somebody's wish. */
export type FlagValues<T extends FlagTable> = {
  readonly [K in keyof T]?: { text: string; number: number; boolean: boolean }[T[K]['kind']]
}

/** Arguments that cannot be read. Says which flag, and never a value: it may be a token in the wrong place. */
export class FlagError extends Error {
  override readonly name = 'FlagError'
}

/** Somebody asked for the usage. */
export class HelpWanted extends Error {
  override readonly name = 'HelpWanted'
}

/** What Go's flag package takes for a truth value. */
const BOOLEANS = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map(word => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map(word => [word, false] as const),
])

/**
 * Reads arguments as Go's flag package does: `-x` and `--x` alike, `-x=v` or `-x v`, a boolean only with `=`, the last one wins.
 * Unlike it, words that belong to no flag are refused. Go stops at the first of them without a word, so that of
 * `-wait false -image busybox` the image would be lost and the job would run something else.
 */
export function parseFlags<T extends FlagTable>(table: T, args: readonly string[]): FlagValues<T> {
  const values: Record<string, string | number | boolean> = Object.create(null)
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? ''
    if (arg === '--' && at === args.length - 1) break
    const parts = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(arg)
    if (!parts) throw new FlagError(notAFlag(arg, at))
    const [, name = '', given] = parts
    const flag = Object.hasOwn(table, name) ? table[name] : undefined
    if (!flag) {
      if (name === 'h' || name === 'help') throw new HelpWanted()
      throw new FlagError(`flag provided but not defined: -${name}`)
    }
    if (flag.kind === 'boolean') {
      values[name] = truth(name, given ?? 'true')
      continue
    }
    if (given === undefined && at === args.length - 1) throw new FlagError(`flag needs an argument: -${name}`)
    if (given === undefined) at += 1
    const text = given ?? args[at] ?? ''
    values[name] = flag.kind === 'number' ? wholeNumber(name, text) : text
  }
  return values as FlagValues<T>
}

function notAFlag(arg: string, at: number): string {
  if (arg !== '-' && arg !== '--' && arg.startsWith('-')) return `bad flag syntax in argument ${at + 1}`
  return `argument ${at + 1} belongs to no flag; a boolean one needs "=", as in -wait=false`
}

function truth(name: string, text: string): boolean {
  const value = BOOLEANS.get(text)
  if (value === undefined) throw new FlagError(`invalid boolean value for -${name}: true or false`)
  return value
}

function wholeNumber(name: string, text: string): number {
  if (!/^\+?\d{1,9}$/.test(text)) throw new FlagError(`invalid value for -${name}: a whole number is needed`)
  return Number(text)
}

/** All flags, in the form and order in which Go's flag package lists them. */
export function usage(program: string, table: FlagTable): string {
  const names = Object.keys(table).sort()
  return `Usage of ${program}:\n${names.map(name => describe(name, table[name] as Flag)).join('')}`
}

function describe(name: string, flag: Flag): string {
  const type = { text: ' string', number: ' int', boolean: '' }[flag.kind]
  const fallback = flag.default === undefined ? '' : ` (default ${flag.default})`
  return `  -${name}${type}\n    \t${flag.help}${flag.file ? '; or @file' : ''}${fallback}\n`
}
