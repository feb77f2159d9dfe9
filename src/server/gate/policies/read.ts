import { WritError } from '../../../protocol/errors.ts'
import type { Policy, PolicySet, RolePolicy, TokenPolicy } from './policy.ts'

/** What is wrong in a document, and where: the keys that lead there. */
export interface Problem {
  readonly path: readonly (string | number)[]
  readonly text: string
}

const LONGEST_PATTERN = 512
/** What no task and nothing in Vault is called by, and no audit trail could hold. */
const NO_NAME = /[\p{Cc}\p{Cs}]/u
/** Vault's integers are Go's 64 bits; no life of a token comes near this. */
const MOST = 2 ** 31 - 1

/** Reads a document of policies. All problems are found at once. */
export function readPolicies(
  document: unknown,
  defaults: { readonly renewable: boolean },
): { set: PolicySet | null; problems: Problem[] } {
  const problems: Problem[] = []
  if (!isObject(document)) return { set: null, problems: [{ path: [], text: NOT_AN_OBJECT }] }
  const entries = new Map<string, Policy>()
  const named = Object.entries(document).map(
    ([pattern, entry]) => [pattern, isObject(entry) ? withKeys(entry) : null] as const,
  )
  const byRole = named.some(([, entry]) => entry !== null && 'roles' in entry)
  for (const [pattern, entry] of named) {
    const at = new Reader(pattern, problems)
    checkPattern(pattern, at)
    if (!entry) at.wrong([], 'is not an object')
    else if (isOfRoles(entry, byRole)) entries.set(pattern, rolePolicy(entry, at))
    else entries.set(pattern, tokenPolicy(entry, at, defaults))
  }
  const kinds = new Set([...entries.values()].map(policy => policy.kind))
  const [first] = entries.keys()
  if (kinds.size > 1 && first) {
    problems.push({ path: [first], text: 'some policies have "roles" and some have not: a gate issues in one way' })
  }
  if (byRole && ![...entries.values()].some(policy => policy.kind !== 'role' || policy.roles.length > 0)) {
    problems.push({ path: [], text: 'no policy in it names a role' })
  }
  if (entries.size === 0 && problems.length === 0) problems.push({ path: [], text: 'there is no policy in it' })
  if (problems.length > 0) return { set: null, problems }
  return { set: { kind: [...kinds][0], entries: longestFirst(entries) } as PolicySet, problems }
}

const OF_TOKENS = ['policies', 'meta', 'ttl', 'multi_fetch', 'multi_fetch_limit', 'renewable']

/** Among policies with roles, one without them that says how often a task may ask has the roles of the wider ones (gatekeeper.md §14.2). */
function isOfRoles(entry: Record<string, unknown>, byRole: boolean): boolean {
  return 'roles' in entry || (byRole && !OF_TOKENS.some(key => key in entry))
}

/** By length in bytes; those of the same length in the order of their text, so that it is the same on every node. */
function longestFirst<T>(entries: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...entries].sort(([a], [b]) => Buffer.byteLength(b) - Buffer.byteLength(a) || (a < b ? -1 : 1)))
}

/** One error of all problems. They name patterns and keys, which are no secrets. */
export function policiesInvalid(problems: readonly Problem[]): WritError {
  const [first] = problems
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : ''
  return new WritError('policies_invalid', first ? `${where(first)}${first.text}${more}` : undefined)
}

export function where({ path }: Problem): string {
  return path.length === 0 ? '' : `${path.map(key => JSON.stringify(key)).join('.')} `
}

const NOT_AN_OBJECT =
  'the document is not an object of patterns; the vault command stores JSON as text unless it is given as @file or stdin'

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads the fields of one policy, and notes what is wrong. */
class Reader {
  readonly pattern: string
  readonly #problems: Problem[]

  constructor(pattern: string, problems: Problem[]) {
    this.pattern = pattern
    this.#problems = problems
  }

  wrong(path: (string | number)[], text: string): void {
    this.#problems.push({ path: [this.pattern, ...path], text })
  }

  integer(entry: Record<string, unknown>, key: string, least: number, fallback: number): number {
    const value = entry[key] ?? fallback
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= MOST) return value
    this.wrong([key], `is not a whole number of at least ${least}`)
    return fallback
  }

  flag(entry: Record<string, unknown>, key: string, fallback: boolean): boolean {
    const value = entry[key] ?? fallback
    if (typeof value === 'boolean') return value
    this.wrong([key], 'is neither true nor false')
    return fallback
  }

  names(entry: Record<string, unknown>, key: string): string[] {
    const value = entry[key] ?? []
    if (!Array.isArray(value)) {
      this.wrong([key], 'is not a list of names')
      return []
    }
    for (const [index, item] of value.entries()) {
      if (typeof item !== 'string' || item === '' || NO_NAME.test(item)) this.wrong([key, index], 'is not a name')
    }
    return value.filter(item => typeof item === 'string')
  }

  texts(entry: Record<string, unknown>, key: string): Record<string, string> {
    const value = entry[key] ?? {}
    if (!isObject(value)) {
      this.wrong([key], 'is not an object of texts')
      return {}
    }
    for (const [name, text] of Object.entries(value)) {
      if (typeof text !== 'string') this.wrong([key, name], 'is not a text')
    }
    return value as Record<string, string>
  }
}

function checkPattern(pattern: string, at: Reader): void {
  if (pattern.length > LONGEST_PATTERN) at.wrong([], `is a pattern longer than ${LONGEST_PATTERN} characters`)
  // half of a pair begins the name of a task, as the text goes
  if (NO_NAME.test(pattern)) at.wrong([], 'is a pattern with a character that no name has')
}

const KEYS = ['policies', 'meta', 'ttl', 'num_uses', 'multi_fetch', 'multi_fetch_limit', 'renewable', 'roles', 'regexp']

/**
 * Keys are the same in any case, as in Go. The attack: a document whose `Policies` were never looked at before gives every task the
 * default policy, or takes a limit away.
 */
function withKeys(entry: Record<string, unknown>): Record<string, unknown> {
  const named = Object.entries(entry).map(([name, value]) => {
    const known = KEYS.find(key => key === name.toLowerCase())
    return [known ?? name, value] as const
  })
  return Object.fromEntries(named)
}

function tokenPolicy(
  entry: Record<string, unknown>,
  at: Reader,
  defaults: { readonly renewable: boolean },
): TokenPolicy {
  const policies = at.names(entry, 'policies')
  if (policies.includes('root')) at.wrong(['policies'], 'holds "root": no task may be given everything')
  const multiFetch = at.flag(entry, 'multi_fetch', false)
  const limit = at.integer(entry, 'multi_fetch_limit', 0, 0)
  if (multiFetch && limit < 1)
    at.wrong(['multi_fetch'], 'needs a multi_fetch_limit of at least 1: without, it refuses every request')
  return {
    kind: 'token',
    policies: policies.length > 0 ? policies : ['default'],
    meta: at.texts(entry, 'meta'),
    ttl: at.integer(entry, 'ttl', 0, 0),
    numUses: at.integer(entry, 'num_uses', 0, 0),
    renewable: at.flag(entry, 'renewable', defaults.renewable),
    fetches: multiFetch ? Math.max(1, limit) : 1,
    multiFetch,
  }
}

/** A role becomes a part of a path in Vault; `{{name}}` stands for the name of the task, which is checked when it is known. */
export const ROLE_NAME = /^(?!\.+$)[A-Za-z0-9_.-]{1,128}$/
export const NAME_OF_TASK = '{{name}}'

function rolePolicy(entry: Record<string, unknown>, at: Reader): RolePolicy {
  for (const key of ['policies', 'multi_fetch', 'multi_fetch_limit', 'ttl', 'meta']) {
    if (key in entry) at.wrong([key], 'has no meaning beside "roles"')
  }
  if (at.pattern.endsWith(':')) at.wrong([], 'is a pattern that ends with ":", which no task does')
  const roles = at.names(entry, 'roles')
  if (roles.length === 0 && !('num_uses' in entry)) at.wrong([], 'has neither "roles" nor "num_uses"')
  for (const [index, role] of roles.entries()) {
    if (role !== NAME_OF_TASK && !ROLE_NAME.test(role)) at.wrong(['roles', index], 'is not the name of an AppRole')
  }
  const regexp = entry.regexp ?? null
  if (regexp !== null && (typeof regexp !== 'string' || !compiles(regexp)))
    at.wrong(['regexp'], 'is not a regular expression')
  return {
    kind: 'role',
    roles,
    fetches: at.integer(entry, 'num_uses', 1, 1),
    regexp: typeof regexp === 'string' && regexp !== '' ? regexp : null,
  }
}

function compiles(regexp: string): boolean {
  try {
    new RegExp(regexp, 'u')
    return true
  } catch {
    return false
  }
}
