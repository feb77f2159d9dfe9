/** A JSON object as it comes and goes. Numbers that a JavaScript number would change stay as `JSON.rawJSON`. */
export type JsonObject = Record<string, unknown>

/** Text that is no JSON, or nested too deep. */
export class JsonError extends Error {}

/**
 * What Vault 1.20.3 and later allow. Both a reviver and `JSON.stringify` are recursive: a few kilobytes of brackets would
 * otherwise be stored and then break every answer that contains them.
 */
const MAX_DEPTH = 300

const raw = JSON as unknown as {
  rawJSON(text: string): object
  isRawJSON(value: unknown): value is { rawJSON: string }
}

/** Does the text hold a number whose form or size a JavaScript number may lose? */
const EXACT_NUMBER = /\d[.eE]|\d{16}|-0/

/** @throws JsonError */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = EXACT_NUMBER.test(text) ? JSON.parse(text, keepForm) : JSON.parse(text)
    if (!shallowerThan(value, MAX_DEPTH)) throw new JsonError('JSON input exceeds allowed nesting depth')
    return value
  } catch (error) {
    if (error instanceof JsonError) throw error
    throw new JsonError('error parsing JSON')
  }
}

function keepForm(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined || String(value) === context.source) return value
  return raw.rawJSON(context.source)
}

/** Level by level instead of by recursion: what is checked here is exactly the input that would overflow the stack. */
function shallowerThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return false
    const next: unknown[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null || raw.isRawJSON(item)) continue
      for (const child of Object.values(item)) if (typeof child === 'object' && child !== null) next.push(child)
    }
    level = next
  }
  return true
}

/** The number behind a JSON value that was kept in its own form, everything else unchanged. */
export function plainNumber(value: unknown): unknown {
  return raw.isRawJSON(value) ? Number(value.rawJSON) : value
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !raw.isRawJSON(value)
}
