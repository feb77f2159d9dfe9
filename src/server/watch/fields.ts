import { WritError } from '../../protocol/errors.ts'
import { isRecord } from '../../vault/response.ts'

/**
 * The fields of a request as Vault reads them (gitops.md §3): its command line sends every value as text, lists with commas and
 * durations as Go writes them. Unknown fields are ignored. What cannot be read throws `watch_field_invalid` and names the field.
 */
export class Fields {
  readonly #body: Readonly<Record<string, unknown>>

  constructor(body: Readonly<Record<string, unknown>>) {
    this.#body = body
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#body, name) && this.#body[name] !== null
  }

  text(name: string, fallback = ''): string {
    if (!this.has(name)) return fallback
    const value = this.#body[name]
    if (typeof value === 'object') throw unreadable(name, 'text')
    const text = String(value)
    if (!isStorable(text)) throw unreadable(name, 'text')
    return text
  }

  integer(name: string, fallback: number, { min, max }: { min: number; max: number }): number {
    if (!this.has(name) || this.#body[name] === '') return fallback
    const value = this.#body[name]
    const number = typeof value === 'string' && /^[-+]?\d+$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isInteger(number)) throw unreadable(name, 'a whole number')
    if (number < min || number > max) throw refused(`"${name}" must be from ${min} to ${max}, got: ${number}`)
    return number
  }

  /** Seconds: a number, a text of digits, or a Go duration such as `1h30m`. */
  seconds(name: string, fallback: number): number {
    if (!this.has(name) || this.#body[name] === '') return fallback
    const seconds = secondsOf(this.#body[name])
    if (seconds === null || seconds < 0 || seconds > LONGEST_SECONDS) throw unreadable(name, 'a duration')
    return seconds
  }

  flag(name: string, fallback: boolean): boolean {
    if (!this.has(name) || this.#body[name] === '') return fallback
    const value = String(this.#body[name]).toLowerCase()
    if (['1', 't', 'true'].includes(value)) return true
    if (['0', 'f', 'false'].includes(value)) return false
    throw unreadable(name, 'true or false')
  }

  /** Comma-separated text, or a list; blanks around the items of a text go, empty items too. */
  list(name: string): string[] {
    if (!this.has(name)) return []
    const value = this.#body[name]
    if (Array.isArray(value)) {
      if (!value.every(item => typeof item === 'string' && isStorable(item))) throw unreadable(name, 'a list of texts')
      return value
    }
    if (typeof value !== 'string' || !isStorable(value)) throw unreadable(name, 'a list of texts')
    return value
      .split(',')
      .map(item => item.trim())
      .filter(item => item !== '')
  }

  map(name: string): Record<string, unknown> {
    if (!this.has(name) || this.#body[name] === '') return {}
    const value = this.#body[name]
    if (!isRecord(value)) throw unreadable(name, 'a JSON object: put it into a file and name it as @file.json')
    return value
  }

  raw(name: string): unknown {
    return this.has(name) ? this.#body[name] : undefined
  }
}

/** The database cannot keep NUL and halves of pairs, and nobody means them. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

const LONGEST_SECONDS = 10 * 365 * 86_400
const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

function secondsOf(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.trunc(value) : null
  if (typeof value !== 'string') return null
  if (/^\d+$/.test(value)) return Number(value)
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(value)) return null
  const parts = value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)
  return Math.trunc(
    [...parts].reduce((sum, [, number, unit]) => sum + Number(number) * (UNITS[unit as string] ?? 0), 0),
  )
}

/** A field that was understood and is refused. */
export function refused(detail: string): WritError {
  return new WritError('watch_field_invalid', detail)
}

/** The value is not repeated: it may be a secret that came in the wrong field. */
function unreadable(name: string, wanted: string): WritError {
  return refused(`error converting input for field "${name}": it is not ${wanted}`)
}
