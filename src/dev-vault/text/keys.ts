/**
 * What a list shows of keys with slashes: the next part of each key below the prefix, directories with a slash at the end, sorted.
 */
export function keysBelow(keys: Iterable<string>, prefix: string): string[] {
  const start = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  const found = new Set<string>()
  for (const key of keys) {
    if (!key.startsWith(start) || key.length === start.length) continue
    const slash = key.indexOf('/', start.length)
    found.add(key.slice(start.length, slash < 0 ? undefined : slash + 1))
  }
  return [...found].sort()
}
