import { refuse } from './errors.ts'
import { DurationError, parseSeconds } from './text/duration.ts'
import { isObject, type JsonObject, plainNumber } from './text/json.ts'

/**
 * The parameters of a request, read by the type that a path wants. Vault converts freely (`"90"`, `90` and `"1m30s"` are one
 * duration; a list may be comma-separated text), so clients do rely on it. What cannot be converted is a 400.
 */
export class Fields {
  readonly #data: JsonObject

  constructor(data: JsonObject) {
    this.#data = data
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#data, name) && this.#data[name] !== null
  }

  /** The first of the names that is given; old and new names of a field are asked for this way. */
  given(...names: string[]): string | undefined {
    return names.find(name => this.has(name))
  }

  raw(name: string): unknown {
    return Object.hasOwn(this.#data, name) ? plainNumber(this.#data[name]) : undefined
  }

  text(name: string, fallback = ''): string {
    const value = this.raw(name)
    if (value === undefined || value === null) return fallback
    if (typeof value === 'object') throw conversion(name, value, `expected type 'string'`)
    return String(value)
  }

  integer(name: string, fallback = 0): number {
    const value = this.raw(name)
    if (value === undefined || value === null || value === '') return fallback
    const number = typeof value === 'string' ? Number(/^[-+]?\d+$/.test(value) ? value : Number.NaN) : value
    if (typeof number !== 'number' || !Number.isFinite(number)) {
      throw conversion(name, value, `strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`)
    }
    return Math.trunc(number)
  }

  seconds(name: string, fallback = 0): number {
    if (!this.has(name)) return fallback
    try {
      return parseSeconds(this.raw(name))
    } catch (error) {
      if (error instanceof DurationError) throw conversion(name, this.raw(name), error.message)
      throw error
    }
  }

  flag(name: string, fallback = false): boolean {
    const value = this.raw(name)
    if (value === undefined || value === null || value === '') return fallback
    const parsed = parseFlag(value)
    if (parsed === undefined) {
      throw conversion(name, value, `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`)
    }
    return parsed
  }

  /** A list of texts, from an array or from comma-separated text; blanks around and empty items go. */
  list(name: string): string[] {
    const value = this.raw(name)
    if (value === undefined || value === null || value === '') return []
    const items = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [value]
    return items.map(item => String(plainNumber(item)).trim()).filter(item => item !== '')
  }

  /** A list whose items are kept as they are: statements in SQL have commas. */
  statements(name: string): string[] {
    const value = this.raw(name)
    if (value === undefined || value === null || value === '') return []
    return (Array.isArray(value) ? value : [value]).map(String)
  }

  map(name: string): JsonObject {
    const value = this.raw(name)
    if (value === undefined || value === null) return {}
    if (!isObject(value)) throw conversion(name, value, `'' expected a map, got '${typeof value}'`)
    return value
  }
}

/** Go's strconv.ParseBool, and what a JSON number may say. */
export function parseFlag(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return value !== 0
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(String(value))) return true
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(String(value)) ? false : undefined
}

/** Longer text is left out, also where the reason repeats it: a field may hold a secret, and others log error texts. */
function conversion(name: string, value: unknown, reason: string) {
  const short = typeof value === 'string' && value.length <= 20
  const shown = short
    ? `${value} for field ${JSON.stringify(name)}: ${reason}`
    : `a ${typeof value} for field ${JSON.stringify(name)}`
  return refuse(400, `error converting input ${shown}`)
}
