import type { Static, TObject } from 'typebox'
import { readBody } from '../../protocol/body.ts'
import { WritError } from '../../protocol/errors.ts'

/** Reads the query of a request by the schema that is also its documentation. Throws `query_invalid`; unknown keys are ignored. */
export function readQuery<T extends TObject>(schema: T, query: unknown): Static<T> {
  const values: Record<string, unknown> = {}
  for (const [key, text] of Object.entries(query as Record<string, unknown>)) {
    if (!Object.hasOwn(schema.properties, key)) continue
    if (typeof text !== 'string') throw new WritError('query_invalid', `${key} is given more than once`)
    const whole = (schema.properties[key] as { type?: string }).type === 'integer'
    // a text that is no number stays one, and is refused as such
    values[key] = whole && /^-?\d{1,15}$/.test(text) ? Number(text) : text
  }
  return readBody(schema, values, 'query_invalid')
}
