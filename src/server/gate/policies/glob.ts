/**
 * Does the pattern match all of the name? Only `*` is special: any run, also an empty one, of anything. The parts between stars are
 * found leftmost, in order, and consumed (gatekeeper.md §7.3). Linear in name times parts, whatever the name is made of.
 */
export function globMatches(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === name
  // nearly every pattern: each task's token pays for what is looked at here
  if (star === pattern.length - 1) return name.startsWith(pattern.slice(0, -1))
  const parts = pattern.split('*')
  const [first = ''] = parts
  const last = parts.at(-1) ?? ''
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}
