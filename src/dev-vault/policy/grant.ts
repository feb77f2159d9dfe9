import type { JsonObject } from '../text/json.ts'
import type { Capability, Rule } from './rule.ts'

type Parameters = ReadonlyMap<string, readonly unknown[]>

/** What a token may do at one path: the rules of all its policies that are written for exactly this path, added up. */
export interface Grant {
  readonly capabilities: ReadonlySet<Capability>
  readonly minWrappingTtl: number
  readonly maxWrappingTtl: number
  readonly allowed: Parameters
  readonly denied: Parameters
  readonly required: readonly string[]
}

const DENIED: Grant = {
  capabilities: new Set<Capability>(['deny']),
  minWrappingTtl: 0,
  maxWrappingTtl: 0,
  allowed: new Map(),
  denied: new Map(),
  required: [],
}

/** Adds a rule: capabilities and lists grow, a deny takes all, of two wrapping bounds the smaller stays. */
export function addRule(grant: Grant | undefined, rule: Rule): Grant {
  if (rule.capabilities.includes('deny') || grant?.capabilities.has('deny')) return DENIED
  return {
    capabilities: new Set([...(grant?.capabilities ?? []), ...rule.capabilities]),
    minWrappingTtl: smaller(grant?.minWrappingTtl, rule.minWrappingTtl),
    maxWrappingTtl: smaller(grant?.maxWrappingTtl, rule.maxWrappingTtl),
    allowed: merge(grant?.allowed, rule.allowed),
    denied: merge(grant?.denied, rule.denied),
    required: [...new Set([...(grant?.required ?? []), ...rule.required])],
  }
}

function smaller(a = 0, b: number): number {
  return a > 0 && b > 0 ? Math.min(a, b) : a || b
}

function merge(a: Parameters | undefined, b: Parameters): Parameters {
  const merged = new Map(a ?? [])
  for (const [name, values] of b) {
    const before = merged.get(name)
    const any = values.length === 0 || before?.length === 0
    merged.set(name, any ? [] : [...(before ?? []), ...values])
  }
  return merged
}

/** Is the wrapping of a request within the bounds? A bound, even only a maximum, refuses requests that are not wrapped. */
export function wrappingAllowed(grant: Grant, wrapTtl: number): boolean {
  const { minWrappingTtl: min, maxWrappingTtl: max } = grant
  if (min > 0 && max > 0 && max < min) return false
  return (max === 0 || (wrapTtl > 0 && wrapTtl <= max)) && (min === 0 || wrapTtl >= min)
}

/** Are the parameters of a request what the grant asks for? */
export function parametersAllowed(grant: Grant, data: JsonObject): boolean {
  const names = Object.keys(data)
  if (!grant.required.every(name => Object.hasOwn(data, name.toLowerCase()))) return false
  if (names.length === 0) return true
  if (grant.denied.has('*')) return false
  for (const name of names) {
    const denied = grant.denied.get(name.toLowerCase())
    if (denied && valueListed(data[name], denied)) return false
  }
  if (grant.allowed.size === 0) return true
  return names.every(name => {
    const values = grant.allowed.get(name.toLowerCase())
    return values ? valueListed(data[name], values) : grant.allowed.has('*')
  })
}

function valueListed(value: unknown, list: readonly unknown[]): boolean {
  return list.length === 0 || list.some(item => sameValue(value, item))
}

function sameValue(value: unknown, wanted: unknown): boolean {
  if (typeof value !== 'string' || typeof wanted !== 'string') return JSON.stringify(value) === JSON.stringify(wanted)
  const head = wanted.endsWith('*')
  const tail = wanted.startsWith('*')
  if (wanted === '*') return true
  if (head && tail) return value.includes(wanted.slice(1, -1))
  if (tail) return value.endsWith(wanted.slice(1))
  return head ? value.startsWith(wanted.slice(0, -1)) : value === wanted
}
