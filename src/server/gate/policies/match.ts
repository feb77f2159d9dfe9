import { WritError } from '../../../protocol/errors.ts'
import type { Task } from '../schedulers/scheduler.ts'
import { globMatches } from './glob.ts'
import { BUILT_IN, type PolicySet, type RolePolicy, type TokenPolicy } from './policy.ts'
import { NAME_OF_TASK, ROLE_NAME } from './read.ts'
import { matchesWhole } from './regexp.ts'

/** What a task is to get. */
export type Grant =
  | { readonly kind: 'token'; readonly pattern: string; readonly policy: TokenPolicy }
  | {
      readonly kind: 'role'
      /** The most specific pattern that matched; its number of uses counts. */
      readonly pattern: string
      /** Of all patterns that match, the most specific first (gatekeeper.md §14.2). */
      readonly roles: readonly string[]
      readonly fetches: number
    }

/** Names of a task under which policies are looked for. */
export interface Names {
  readonly scheduler: string
  readonly name: string
  readonly group?: string | undefined
  /** What policies go by instead of the name, with `use-image-name`. */
  readonly image?: string | undefined
}

export function namesOf(scheduler: string, task: Task, useImage: boolean): Names {
  if (!useImage) return { scheduler, name: task.name, group: task.group }
  return { scheduler, name: task.name, ...(task.image ? { image: task.image } : {}) }
}

/** Chooses by the names of a task. Throws `policy_none`. */
export function match(set: PolicySet, names: Names): Grant {
  return set.kind === 'token' ? tokenGrant(set.entries, names.image ?? names.name) : roleGrant(set.entries, names)
}

/** The name itself, else the longest pattern that matches, else `*`, else the built-in one (gatekeeper.md §7.3). */
function tokenGrant(entries: ReadonlyMap<string, TokenPolicy>, name: string): Grant {
  const found = entries.get(name)
  if (found) return { kind: 'token', pattern: name, policy: found }
  for (const [pattern, policy] of entries) {
    if (globMatches(pattern, name)) return { kind: 'token', pattern, policy }
  }
  return { kind: 'token', pattern: '', policy: BUILT_IN }
}

function roleGrant(entries: ReadonlyMap<string, RolePolicy>, names: Names): Grant {
  const { scheduler, name, group, image } = names
  const key = [scheduler, ...(image ? [image] : group ? [group, name] : [name])].join(':')
  const matching = [...entries].filter(([pattern, policy]) => matchesKey(pattern, policy, key))
  const [most] = matching
  if (!most) throw new WritError('policy_none')
  const roles = [...new Set(matching.flatMap(([, policy]) => policy.roles))]
  if (roles.length === 0) throw new WritError('policy_none')
  return { kind: 'role', pattern: most[0], roles, fetches: most[1].fetches }
}

/** A star at the end is any rest; every other character is itself. With an expression, the rest must match all of it. */
function matchesKey(pattern: string, policy: RolePolicy, key: string): boolean {
  if (pattern === key) return true
  const open = pattern.endsWith('*') || policy.regexp !== null
  const prefix = pattern.endsWith('*') ? pattern.slice(0, -1) : pattern
  if (!open || !key.startsWith(prefix)) return false
  return policy.regexp === null || matchesWhole(policy.regexp, key.slice(prefix.length))
}

/**
 * The AppRole that is logged in to: the one asked for if the policy lists it, else the first. The attack: `{{name}}` makes a role of
 * what whoever starts tasks has chosen, so it must be a name, and not that of the role that the gate itself holds. Throws
 * `role_not_allowed`.
 */
export function chooseRole(roles: readonly string[], asked: string, name: string, own: string | null): string {
  const listed = asked === '' ? roles[0] : roles.find(role => role === asked)
  if (listed === undefined) throw new WritError('role_not_allowed')
  const role = listed === NAME_OF_TASK ? name : listed
  if (!ROLE_NAME.test(role)) throw new WritError('role_not_allowed', 'the name of this task is not one of a role')
  if (listed === NAME_OF_TASK && own !== null && role.toLowerCase() === own.toLowerCase())
    throw new WritError('role_not_allowed', 'it is the role of this gate itself')
  return role
}
