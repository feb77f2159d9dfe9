const UNITS: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 }
const TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)/y

/** 292 years, all that Go's 64 bits of nanoseconds hold; and no time of ours ends up beyond what a date can say. */
const LONGEST = 9_223_372_036

/** A text that is no duration. The message is the one Go's parser gives, which is what Vault shows. */
export class DurationError extends Error {}

/**
 * Seconds from what Vault takes as a duration: 90, "90", "90s", "1h30m", "-5s". Nothing at all is 0.
 * @throws DurationError
 */
export function parseSeconds(value: unknown): number {
  const seconds = parse(value)
  if (Math.abs(seconds) > LONGEST) throw new DurationError(`time: invalid duration ${JSON.stringify(value)}`)
  return seconds
}

function parse(value: unknown): number {
  if (value === undefined || value === null || value === '') return 0
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value !== 'string') throw new DurationError(`could not parse duration from input`)
  if (/^[-+]?\d+$/.test(value)) return Number(value)
  if (!/[smhd]$/.test(value)) {
    throw new DurationError(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`)
  }
  return parseTerms(value)
}

function parseTerms(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1
  TERM.lastIndex = /^[-+]/.test(text) ? 1 : 0
  let seconds = 0
  let end = TERM.lastIndex
  for (let term = TERM.exec(text); term; term = TERM.exec(text)) {
    seconds += Number(term[1]) * (UNITS[term[2] as string] as number)
    end = TERM.lastIndex
  }
  if (end !== text.length || !/\d/.test(text)) throw new DurationError(`time: invalid duration ${JSON.stringify(text)}`)
  return sign * seconds
}

/** A duration as Go prints it: `3h25m19s`, `1m0s`, `0s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.trunc(seconds)
  const h = Math.trunc(whole / 3600)
  const m = Math.trunc((whole % 3600) / 60)
  const s = whole % 60
  if (h > 0) return `${h}h${m}m${s}s`
  return m > 0 ? `${m}m${s}s` : `${s}s`
}

/** The same without what is zero at its end: `768h`, `30m`. Vault's warnings about lifetimes print it so. */
export function formatShort(seconds: number): string {
  return formatDuration(seconds)
    .replace(/(?<=[hm])0s$/, '')
    .replace(/(?<=h)0m$/, '')
}
