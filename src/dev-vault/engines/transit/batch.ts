import { refuse, VaultError } from '../../errors.ts'
import { Fields } from '../../fields.ts'
import type { Answer, Call } from '../../routing/backend.ts'
import { isObject, type JsonObject } from '../../text/json.ts'

/** Does a piece of work for the request itself, or for each item of its batch. */
export function batched(call: Call, one: (fields: Fields) => JsonObject): Answer {
  const batch = call.fields.raw('batch_input')
  if (batch === undefined || batch === null) return { data: one(call.fields) }
  if (!Array.isArray(batch) || batch.length === 0) throw refuse(400, 'missing batch input to process')
  return { data: { batch_results: batch.map(item => oneOfBatch(item, one)) } }
}

/** What goes wrong with one item is said at its place and spoils no other. */
function oneOfBatch(item: unknown, one: (fields: Fields) => JsonObject): JsonObject {
  if (!isObject(item)) return { error: 'not an object' }
  try {
    return one(new Fields(item))
  } catch (error) {
    if (error instanceof VaultError) return { error: error.errors[0] ?? '' }
    throw error
  }
}
