import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { type ErrorCode, WritError } from './errors.ts'

const compiled = new WeakMap<TSchema, Validator>()

/**
 * Reads a decoded JSON object as one of our schemas, in the way GoStint's own decoder does (gostint.md §2.1): keys match in any
 * case, `null` means absent, unknown keys are ignored. A wrong type throws `code` and says which field, never its value.
 */
export function readBody<T extends TSchema>(schema: T, value: unknown, code: ErrorCode): Static<T> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WritError(code, 'not a JSON object')
  }
  const known = new Map(
    Object.keys((schema as { properties?: object }).properties ?? {}).map(key => [key.toLowerCase(), key]),
  )
  const body: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    const name = known.get(key.toLowerCase())
    if (name !== undefined && item !== null) body[name] = item
  }
  let validator = compiled.get(schema)
  if (!validator) {
    validator = Compile(schema) as unknown as Validator
    compiled.set(schema, validator)
  }
  if (!validator.Check(body)) {
    const [first] = validator.Errors(shortened(body))
    throw new WritError(
      code,
      `${first?.instancePath.slice(1).replaceAll('/', '.') || 'body'} ${first?.message ?? 'has a long list with something wrong in it'}`,
    )
  }
  return body as Static<T>
}

const EXPLAINED = 1_000

/** The attack: the list of errors is made from every item, so that one body with millions of wrong ones stops all other callers. */
function shortened(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const items = Object.entries(body)
  return Object.fromEntries(items.map(([key, item]) => [key, Array.isArray(item) ? item.slice(0, EXPLAINED) : item]))
}

/** The keys of the object that are set, in the spelling of the schema or as sent. */
export function setKeys(schema: TSchema, value: object): string[] {
  const known = new Map(
    Object.keys((schema as { properties?: object }).properties ?? {}).map(key => [key.toLowerCase(), key]),
  )
  return Object.entries(value)
    .filter(([, item]) => item !== null && item !== '' && item !== false && !(Array.isArray(item) && item.length === 0))
    .map(([key]) => known.get(key.toLowerCase()) ?? key)
}
