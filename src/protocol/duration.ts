const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
}
const TEXT = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g

/** What a limit of time may be in a column of PostgreSQL's `integer`, and more than anybody waits. */
const LONGEST_SECONDS = 10 * 365 * 86_400

/**
 * Whole seconds, rounded up, of a duration as Go writes it (`90s`, `1h30m`, also `7d`), or of a number of seconds. Null: it is
 * none, or longer than ten years.
 */
export function parseDuration(value: string | number): number | null {
  const seconds = Math.ceil(Number(secondsOf(value).toFixed(9)))
  return seconds >= 0 && seconds <= LONGEST_SECONDS ? seconds : null
}

function secondsOf(value: string | number): number {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Number.NaN
  const text = value.trim()
  if (/^\d{1,15}$/.test(text)) return Number(text)
  // the length: what is matched piece by piece comes from strangers
  if (text.length > 64 || !TEXT.test(text)) return Number.NaN
  return [...text.matchAll(PART)].reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (UNITS[unit] ?? 0), 0)
}
