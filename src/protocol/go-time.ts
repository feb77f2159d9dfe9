/** The text forms of Go's times, which vault-gatekeeper's clients and settings have (gatekeeper.md, appendix C). */

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Reads `1h30m`, `90s`, `1.5h`; milliseconds. Throws an Error whose message goes on from "<NAME> ". */
export function parseDuration(text: string): number {
  if (text === '0') return 0
  const part = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)/y
  let ms = 0
  while (part.lastIndex < text.length) {
    const found = part.exec(text)
    if (!found) throw new Error('is not a duration such as 90s, 2m or 1h30m')
    ms += Number(found[1]) * (UNITS[found[2] ?? ''] ?? 0)
  }
  if (text === '') throw new Error('is empty')
  return ms
}

/** `163.666µs`, `1.5ms`, `45s`, `25m0s`, `720h0m0s`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s'
  if (ms < 1e-3) return `${decimal(ms * 1e6, 0)}ns`
  if (ms < 1) return `${decimal(ms * 1e3, 3)}µs`
  if (ms < 1000) return `${decimal(ms, 6)}ms`
  const whole = Math.floor(ms / 60_000)
  const seconds = `${decimal((ms - whole * 60_000) / 1000, 9)}s`
  const [hours, minutes] = [Math.floor(whole / 60), whole % 60]
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

function decimal(value: number, digits: number): string {
  if (Number.isInteger(value)) return String(value)
  return value.toFixed(digits).replace(/\.?0+$/, match => (match.startsWith('.') ? '' : match.replace(/0+$/, '')))
}
