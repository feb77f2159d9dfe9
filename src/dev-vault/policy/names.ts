/**
 * Policy names as they go into a token: lower case, trimmed, once each, sorted. `root` drives out all the others.
 */
export function cleanPolicies(names: readonly string[], addDefault: boolean): string[] {
  const clean = names.map(name => name.trim().toLowerCase()).filter(name => name !== '')
  if (clean.includes('root')) return ['root']
  if (addDefault) clean.push('default')
  return [...new Set(clean)].sort()
}

export function isSubset(inner: readonly string[], outer: readonly string[]): boolean {
  return inner.every(item => outer.includes(item))
}

/** A list as Go prints it with `%q`: `["a" "b"]`. */
export function quoted(names: readonly string[]): string {
  return `[${names.map(name => JSON.stringify(name)).join(' ')}]`
}
