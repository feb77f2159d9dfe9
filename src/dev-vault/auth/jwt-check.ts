import { constants, createPublicKey, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto'
import { refuse } from '../errors.ts'
import { isObject, type JsonObject, parseJson } from '../text/json.ts'
import type { JwtKeys } from './jwt-keys.ts'
import { checkTimes, type Leeways } from './jwt-times.ts'

type Options = Omit<VerifyKeyObjectInput, 'key'>

/** What each `alg` of RFC 7518 and 8037 means, and which keys it may be used with: a token must not choose how its key is read. */
const ALGORITHMS: Readonly<
  Record<string, { readonly hash: string | null; readonly key: string; readonly options: Options }>
> = {
  RS256: { hash: 'sha256', key: 'rsa', options: {} },
  RS384: { hash: 'sha384', key: 'rsa', options: {} },
  RS512: { hash: 'sha512', key: 'rsa', options: {} },
  PS256: { hash: 'sha256', key: 'rsa', options: { padding: constants.RSA_PKCS1_PSS_PADDING } },
  PS384: { hash: 'sha384', key: 'rsa', options: { padding: constants.RSA_PKCS1_PSS_PADDING } },
  PS512: { hash: 'sha512', key: 'rsa', options: { padding: constants.RSA_PKCS1_PSS_PADDING } },
  ES256: { hash: 'sha256', key: 'ec', options: { dsaEncoding: 'ieee-p1363' } },
  ES384: { hash: 'sha384', key: 'ec', options: { dsaEncoding: 'ieee-p1363' } },
  ES512: { hash: 'sha512', key: 'ec', options: { dsaEncoding: 'ieee-p1363' } },
  EdDSA: { hash: null, key: 'ed25519', options: {} },
}

/** A public key or certificate in PEM. @throws VaultError */
export function readPublicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch {
    throw refuse(400, 'error parsing public key: not a public key in PEM')
  }
}

export interface JwtCheck {
  readonly keys: JwtKeys
  readonly leeways: Leeways
  /** None are all that we know. */
  readonly algorithms: readonly string[]
  /** Milliseconds. */
  readonly now: number
}

/** The claims of a token that one of the keys has signed and that is good now. @throws VaultError */
export async function checkJwt(token: string, { keys, leeways, algorithms, now }: JwtCheck): Promise<JsonObject> {
  const [head = '', body = '', signature = '', ...more] = token.split('.')
  const { alg, kid } = decode(head)
  const allowed = algorithms.length === 0 || algorithms.includes(String(alg))
  const algorithm = allowed && Object.hasOwn(ALGORITHMS, String(alg)) ? ALGORITHMS[String(alg)] : undefined
  if (more.length > 0 || !algorithm) throw refused('malformed token, or signed by an algorithm that is not supported')
  const { hash, key: keyType, options } = algorithm
  const input = Buffer.from(`${head}.${body}`)
  const given = Buffer.from(signature, 'base64url')
  const known = await keys.find(typeof kid === 'string' ? kid : undefined).catch(() => {
    throw refused('the keys cannot be had')
  })
  const fitting = known.filter(key => key.asymmetricKeyType === keyType)
  if (!fitting.some(key => verify(hash, input, { key, ...options }, given)))
    throw refused('no known key successfully validated the token signature')
  const claims = decode(body)
  checkTimes(claims, leeways, now / 1000)
  return claims
}

/** The claims without any check, for those whom another will ask about them. @throws VaultError */
export function unverifiedClaims(token: string): JsonObject {
  return decode(token.split('.')[1] ?? '')
}

function decode(part: string): JsonObject {
  try {
    const value = parseJson(Buffer.from(part, 'base64url').toString())
    if (isObject(value)) return value
  } catch {
    // said below
  }
  throw refused('malformed token')
}

function refused(reason: string) {
  return refuse(400, `error validating token: ${reason}`)
}
