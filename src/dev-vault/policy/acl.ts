import type { VaultRequest } from '../routing/request.ts'
import { addRule, type Grant, parametersAllowed, wrappingAllowed } from './grant.ts'
import type { Capability, Rule } from './rule.ts'

/** A rule path with `+` in it, taken apart. */
interface Wildcard {
  readonly path: string
  readonly segments: readonly string[]
  readonly prefix: boolean
  readonly firstWildcard: number
  readonly grant: Grant
}

/**
 * What a set of policies allows. Only the most specific path that fits a request counts, and nothing is inherited from the
 * others: an exact path, else the best of the longest glob and all paths with `+`.
 */
export class Acl {
  readonly root: boolean
  readonly #exact = new Map<string, Grant>()
  readonly #globs = new Map<string, Grant>()
  readonly #wildcards: Wildcard[] = []

  constructor(rules: readonly Rule[], root = false) {
    this.root = root
    const wildcards = new Map<string, Grant>()
    for (const rule of rules) {
      const glob = rule.path.endsWith('*')
      if (hasWildcard(rule.path)) wildcards.set(rule.path, addRule(wildcards.get(rule.path), rule))
      else if (glob) this.#globs.set(rule.path.slice(0, -1), addRule(this.#globs.get(rule.path.slice(0, -1)), rule))
      else this.#exact.set(rule.path, addRule(this.#exact.get(rule.path), rule))
    }
    for (const [path, grant] of wildcards) {
      const prefix = path.endsWith('*')
      const bare = prefix ? path.slice(0, -1) : path
      this.#wildcards.push({ path: bare, segments: bare.split('/'), prefix, firstWildcard: path.indexOf('+'), grant })
    }
  }

  /** What is granted at a path. A list may also be granted by an exact path without the slash at the end. */
  grantAt(path: string, list: boolean): Grant | undefined {
    const exact = this.#exact.get(path) ?? (list ? this.#exact.get(path.replace(/\/$/, '')) : undefined)
    return exact ?? this.#bestPattern(path)
  }

  /** May the request be made? `sudo`: its path needs that capability as well. */
  allows(request: VaultRequest, capability: Capability, sudo: boolean): boolean {
    if (this.root) return true
    const grant = this.grantAt(request.path, capability === 'list')
    if (!grant?.capabilities.has(capability) || (sudo && !grant.capabilities.has('sudo'))) return false
    if (!wrappingAllowed(grant, request.wrapTtl)) return false
    const constrained = capability === 'create' || capability === 'update' || capability === 'read'
    return !constrained || parametersAllowed(grant, request.data)
  }

  hasSudo(path: string): boolean {
    return this.root || (this.grantAt(path, true)?.capabilities.has('sudo') ?? false)
  }

  /** What `sys/capabilities` answers: sorted, never empty. */
  capabilities(path: string): string[] {
    if (this.root) return ['root']
    const found = this.grantAt(path, true)?.capabilities
    return found?.size && !found.has('deny') ? [...found].sort() : ['deny']
  }

  /** Is anything at all granted at or below a mount? */
  reaches(mount: string): boolean {
    if (this.root) return true
    const open = (grant: Grant) => grant.capabilities.size > 0 && !grant.capabilities.has('deny')
    for (const [path, grant] of this.#exact) if (path.startsWith(mount) && open(grant)) return true
    for (const [path, grant] of this.#globs) {
      if ((path.startsWith(mount) || mount.startsWith(path)) && open(grant)) return true
    }
    return this.#wildcards.some(wildcard => open(wildcard.grant) && mayLeadInto(wildcard, mount))
  }

  /** Exact and glob paths with their capabilities, as `sys/internal/ui/resultant-acl` shows them. */
  summary(): { exact: Record<string, unknown>; glob: Record<string, unknown> } {
    const show = (grants: Map<string, Grant>) =>
      Object.fromEntries([...grants].map(([path, grant]) => [path, { capabilities: [...grant.capabilities].sort() }]))
    return { exact: show(this.#exact), glob: show(this.#globs) }
  }

  #bestPattern(path: string): Grant | undefined {
    let best: Wildcard | undefined
    for (const [prefix, grant] of this.#globs) {
      if (!path.startsWith(prefix) || (best && best.path.length >= prefix.length)) continue
      best = { path: prefix, segments: [], prefix: true, firstWildcard: prefix.length, grant }
    }
    const parts = path.split('/')
    for (const wildcard of this.#wildcards) {
      if (fits(wildcard, parts) && (!best || moreSpecific(wildcard, best))) best = wildcard
    }
    return best?.grant
  }
}

/** `+` counts only as a whole segment; a path without one is not taken apart at all. */
function hasWildcard(path: string): boolean {
  return path.startsWith('+/') || path === '+' || path.includes('/+')
}

function fits({ segments, prefix }: Wildcard, parts: readonly string[]): boolean {
  if (prefix ? parts.length < segments.length : parts.length !== segments.length) return false
  return segments.every((segment, i) => {
    const part = parts[i] as string
    if (segment === '+' || segment === part) return true
    return prefix && i === segments.length - 1 && part.startsWith(segment)
  })
}

/** The order in which Vault's documentation ranks two paths that both fit. */
function moreSpecific(a: Wildcard, b: Wildcard): boolean {
  if (a.firstWildcard !== b.firstWildcard) return a.firstWildcard > b.firstWildcard
  if (a.prefix !== b.prefix) return !a.prefix
  const [ofA, ofB] = [plusCount(a), plusCount(b)]
  if (ofA !== ofB) return ofA < ofB
  if (a.path.length !== b.path.length) return a.path.length > b.path.length
  return a.path > b.path
}

function plusCount(wildcard: Wildcard): number {
  return wildcard.segments.filter(segment => segment === '+').length
}

function mayLeadInto(wildcard: Wildcard, mount: string): boolean {
  const parts = mount.replace(/\/$/, '').split('/')
  return parts.every((part, i) => {
    const segment = wildcard.segments[i]
    if (segment === undefined) return wildcard.prefix
    if (segment === '+' || segment === part) return true
    return wildcard.prefix && i === wildcard.segments.length - 1 && part.startsWith(segment)
  })
}
