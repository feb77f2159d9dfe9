type Json = Record<string, unknown>

/** What is expected, with room for keys that it does not name: newer servers add some to many answers. */
export function lenient(expected: unknown): unknown {
  if (Array.isArray(expected)) return expected.map(lenient)
  if (!isObject(expected)) return expected
  const isMatcher = Object.keys(expected).some(key => key.startsWith('$'))
  if (!isMatcher) return { $subset: inside(expected) }
  // What a subset names is within it: to wrap that as well would make it a matcher of matchers.
  return Object.fromEntries(
    Object.entries(expected).map(([key, value]) => [key, key === '$subset' ? inside(value as Json) : lenient(value)]),
  )
}

function inside(object: Json): Json {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, lenient(value)]))
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null
}
