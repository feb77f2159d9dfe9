import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { isObject, type JsonObject } from '../text/json.ts'
import { fetchJson } from './fetch-json.ts'

/** Where the keys come from with which tokens are checked. */
export interface JwtKeys {
  /** Those that may have signed a token that names this key, or none. */
  find(kid: string | undefined): Promise<readonly KeyObject[]>
}

export function fixedKeys(keys: readonly KeyObject[]): JwtKeys {
  return { find: async () => keys }
}

interface Key {
  readonly kid: string | undefined
  readonly key: KeyObject
}

/** A login with the name of an unknown key asks for the keys anew: not more often than this, or anyone could make us ask. Milliseconds. */
const AT_MOST_EVERY = 1_000

/** The keys at a `jwks_url` (RFC 7517), kept until a token names one that is not among them. */
export class RemoteKeys implements JwtKeys {
  readonly #url: string
  readonly #ca: string
  readonly #clock: Clock
  #keys: readonly Key[] = []
  #askedAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined

  constructor(url: string, ca: string, clock: Clock) {
    this.#url = url
    this.#ca = ca
    this.#clock = clock
  }

  /** @throws Error when the keys cannot be had */
  async load(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    await this.#asking
  }

  async find(kid: string | undefined): Promise<readonly KeyObject[]> {
    const known = this.#named(kid)
    if (known.length > 0 || this.#clock.now() - this.#askedAt < AT_MOST_EVERY) return known
    await this.load()
    return this.#named(kid)
  }

  async #ask(): Promise<void> {
    this.#askedAt = this.#clock.now()
    const answer = await fetchJson(this.#url, { ca: this.#ca })
    const keys = isObject(answer) && Array.isArray(answer.keys) ? answer.keys : undefined
    if (!keys) throw new Error('no key set')
    this.#keys = keys.filter(isObject).flatMap(jwk => readKey(jwk))
  }

  #named(kid: string | undefined): KeyObject[] {
    return this.#keys.filter(key => kid === undefined || key.kid === kid).map(({ key }) => key)
  }
}

/** A set may hold keys of kinds that we do not know: they are none to us. Never a secret one: a token signed by it is anyone's. */
function readKey(jwk: JsonObject): Key[] {
  if (jwk.kty === 'oct' || (jwk.use !== undefined && jwk.use !== 'sig')) return []
  try {
    const key = createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: 'jwk' })
    return [{ key, kid: typeof jwk.kid === 'string' ? jwk.kid : undefined }]
  } catch {
    return []
  }
}
