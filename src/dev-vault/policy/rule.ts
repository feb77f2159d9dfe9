import { DurationError, parseSeconds } from '../text/duration.ts'
import { HclBody, HclError, type HclItem, type HclValue, parseHcl } from './hcl.ts'

export const CAPABILITIES = ['create', 'delete', 'deny', 'list', 'read', 'sudo', 'update'] as const
export type Capability = (typeof CAPABILITIES)[number]

/** What one `path` block of a policy says. */
export interface Rule {
  /** As written, without a leading slash; may hold `{{templates}}`. */
  readonly path: string
  readonly capabilities: readonly Capability[]
  /** Seconds; 0 is no bound. */
  readonly minWrappingTtl: number
  readonly maxWrappingTtl: number
  /** Parameter, in lower case, to the values that are allowed; an empty list stands for every value. */
  readonly allowed: ReadonlyMap<string, readonly unknown[]>
  readonly denied: ReadonlyMap<string, readonly unknown[]>
  readonly required: readonly string[]
}

/** A policy that Vault would refuse to store. */
export class PolicyError extends Error {}

/** The words of the syntax before capabilities. */
const OLD_POLICIES: Record<string, readonly Capability[]> = {
  deny: ['deny'],
  read: ['read', 'list'],
  write: ['create', 'read', 'update', 'delete', 'list'],
  sudo: ['create', 'read', 'update', 'delete', 'list', 'sudo'],
}

const KEYS = [
  ...['comment', 'policy', 'capabilities', 'allowed_parameters', 'denied_parameters', 'required_parameters'],
  ...['min_wrapping_ttl', 'max_wrapping_ttl', 'mfa_methods', 'control_group'],
]

/** @throws PolicyError */
export function parsePolicy(text: string): Rule[] {
  try {
    return parseHcl(text).items.flatMap(readItem)
  } catch (error) {
    if (error instanceof HclError) throw new PolicyError(error.message)
    throw error
  }
}

function readItem(item: HclItem): Rule[] {
  const [kind = '', path, ...more] = item.keys
  if (kind === 'name' && path === undefined) return []
  if (kind !== 'path' || more.length > 0) throw oneError(`invalid key ${JSON.stringify(kind)} on line ${item.line}`)
  if (path !== undefined && item.value instanceof HclBody) return [readRule(path, item.value)]
  const bodies = Array.isArray(item.value) ? item.value : [item.value]
  return bodies.flatMap(body => {
    if (!(body instanceof HclBody)) throw new PolicyError('path must have a name and a block')
    return body.items.flatMap(inner => readItem({ ...inner, keys: ['path', ...inner.keys] }))
  })
}

function readRule(written: string, body: HclBody): Rule {
  const path = written.replace(/^\//, '')
  const named = (reason: string) => new PolicyError(`path ${JSON.stringify(written)}: ${reason}`)
  if (path.includes('+*')) throw named(`invalid use of wildcards ('+*' is forbidden)`)
  const values = new Map<string, HclValue>()
  for (const item of body.items) {
    const key = item.keys[0] as string
    if (!KEYS.includes(key)) {
      throw oneError(`path ${JSON.stringify(written)}: invalid key ${JSON.stringify(key)} on line ${item.line}`)
    }
    values.set(key, item.value)
  }
  const ttl = (key: string) => readTtl(key, values.get(key))
  const rule: Rule = {
    path,
    capabilities: readCapabilities(values, named),
    minWrappingTtl: ttl('min_wrapping_ttl'),
    maxWrappingTtl: ttl('max_wrapping_ttl'),
    allowed: readParameters(values.get('allowed_parameters'), named),
    denied: readParameters(values.get('denied_parameters'), named),
    required: listOf(values.get('required_parameters')).map(String),
  }
  if (rule.maxWrappingTtl > 0 && rule.maxWrappingTtl < rule.minWrappingTtl) {
    throw new PolicyError('max_wrapping_ttl cannot be less than min_wrapping_ttl')
  }
  return rule
}

function readCapabilities(values: Map<string, HclValue>, named: (reason: string) => PolicyError): Capability[] {
  const found = new Set<Capability>()
  const old = values.get('policy')
  if (old !== undefined) {
    const capabilities = Object.hasOwn(OLD_POLICIES, String(old)) ? OLD_POLICIES[String(old)] : undefined
    if (!capabilities) throw named(`invalid policy ${JSON.stringify(String(old))}`)
    for (const capability of capabilities) found.add(capability)
  }
  for (const word of listOf(values.get('capabilities'))) {
    const capability = CAPABILITIES.find(known => known === word)
    if (!capability) throw named(`invalid capability ${JSON.stringify(String(word))}`)
    found.add(capability)
  }
  // A rule that denies does nothing else.
  return found.has('deny') ? ['deny'] : [...found]
}

function readTtl(key: string, value: HclValue | undefined): number {
  try {
    return parseSeconds(value)
  } catch (error) {
    if (error instanceof DurationError) throw new PolicyError(`error parsing ${key}: ${error.message}`)
    throw error
  }
}

function readParameters(
  value: HclValue | undefined,
  named: (reason: string) => PolicyError,
): Map<string, readonly unknown[]> {
  const parameters = new Map<string, readonly unknown[]>()
  if (value === undefined) return parameters
  if (!(value instanceof HclBody)) throw named('parameters must be an object of lists')
  for (const item of value.items) parameters.set((item.keys[0] as string).toLowerCase(), listOf(item.value))
  return parameters
}

function listOf(value: HclValue | undefined): readonly HclValue[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

function oneError(text: string): PolicyError {
  return new PolicyError(`1 error occurred:\n\t* ${text}\n\n`)
}
