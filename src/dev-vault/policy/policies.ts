import { refuse } from '../errors.ts'
import type { Entities } from '../identity/entities.ts'
import type { TokenEntry } from '../tokens/entry.ts'
import { Acl } from './acl.ts'
import { DEFAULT_POLICY, WRAPPING_POLICY, WRAPPING_POLICY_NAME } from './default-policy.ts'
import { PolicyError, parsePolicy, type Rule } from './rule.ts'
import { fillTemplate, isTemplated } from './template.ts'

interface Stored {
  readonly text: string
  readonly rules: readonly Rule[]
}

/** Enough for the policy sets of a team; beyond that the oldest go. */
const MAX_CACHED = 1000

/** The ACL policies, and the access list of each token: a change applies to live tokens at once. */
export class Policies {
  readonly #stored = new Map<string, Stored>()
  readonly #entities: Entities
  readonly #cache = new Map<string, Acl>()

  constructor(entities: Entities) {
    this.#entities = entities
    this.#stored.set('root', { text: '', rules: [] })
    this.#stored.set('default', { text: DEFAULT_POLICY, rules: parsePolicy(DEFAULT_POLICY) })
    this.#stored.set(WRAPPING_POLICY_NAME, { text: WRAPPING_POLICY, rules: parsePolicy(WRAPPING_POLICY) })
  }

  /** The names one may see: the policy of wrapping tokens is not among them. */
  names(): string[] {
    return [...this.#stored.keys()].filter(name => name !== WRAPPING_POLICY_NAME).sort()
  }

  has(name: string): boolean {
    return this.#stored.has(name)
  }

  text(name: string): string | undefined {
    return this.#stored.get(name)?.text
  }

  /** @throws VaultError for what Vault would not store */
  write(name: string, text: string): void {
    if (name === 'root' || name === WRAPPING_POLICY_NAME) throw refuse(400, `cannot update "${name}" policy`)
    if (text === '') throw refuse(400, `'policy' parameter not supplied or empty`)
    const decoded = fromBase64(text)
    try {
      this.#stored.set(name, { text: decoded, rules: parsePolicy(decoded) })
    } catch (error) {
      if (error instanceof PolicyError) throw refuse(400, `failed to parse policy: ${error.message}`)
      throw error
    }
    this.#cache.clear()
  }

  delete(name: string): void {
    if (name === 'root' || name === WRAPPING_POLICY_NAME) throw refuse(400, `cannot delete "${name}" policy`)
    if (name === 'default') throw refuse(400, 'cannot delete default policy')
    this.#stored.delete(name)
    this.#cache.clear()
  }

  aclOf(token: Pick<TokenEntry, 'policies' | 'entityId'>): Acl {
    // As JSON: a single policy may be named `a,b`, and must not stand for two.
    const key = JSON.stringify([token.policies, token.entityId, this.#entities.get(token.entityId)?.revision])
    let acl = this.#cache.get(key)
    if (!acl) {
      acl = this.#build(token)
      const [oldest] = this.#cache.keys()
      if (this.#cache.size >= MAX_CACHED && oldest !== undefined) this.#cache.delete(oldest)
      this.#cache.set(key, acl)
    }
    return acl
  }

  #build(token: Pick<TokenEntry, 'policies' | 'entityId'>): Acl {
    if (token.policies.includes('root')) return new Acl([], true)
    const entity = this.#entities.get(token.entityId)
    const rules = token.policies.flatMap(name => this.#stored.get(name)?.rules ?? [])
    return new Acl(
      rules.flatMap(rule => {
        if (!isTemplated(rule.path)) return [rule]
        const path = fillTemplate(rule.path, entity)
        return path === undefined ? [] : [{ ...rule, path }]
      }),
    )
  }
}

/** Policies may be sent in base64; text that is both stays what it is only when it does not decode to printable text. */
function fromBase64(text: string): string {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text)) return text
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text.trim() ? bytes.toString('utf8') : text
}
