/** What steps have saved, and what the runner was given. */
export type Variables = ReadonlyMap<string, unknown>

/** A step needs a variable that no step before it could save. */
export class MissingVariable extends Error {}

const VARIABLE = /\$\{([^{}]+)\}/g

/** The value with its `${names}` put in: a text that is nothing but one becomes the saved value itself. */
export function fill<T>(value: T, variables: Variables): T {
  if (typeof value === 'string') return fillText(value, variables) as T
  if (Array.isArray(value)) return value.map(item => fill(item as unknown, variables)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [String(fillText(key, variables)), fill(item as unknown, variables)]),
  ) as T
}

function fillText(text: string, variables: Variables): unknown {
  const whole = /^\$\{([^{}]+)\}$/.exec(text)
  if (whole) return lookUp(whole[1] as string, variables)
  return text.replace(VARIABLE, (_, name: string) => String(lookUp(name, variables)))
}

function lookUp(name: string, variables: Variables): unknown {
  if (!variables.has(name)) throw new MissingVariable(name)
  return variables.get(name)
}

/** The value at a JSON pointer (RFC 6901), or nothing. */
export function pointer(document: unknown, path: string): unknown {
  let value = document
  for (const part of path.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}
