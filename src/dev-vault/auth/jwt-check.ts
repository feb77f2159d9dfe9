import { constants, createPublicKey, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto'
import { refuse } from '../errors.ts'
import { isObject, type JsonObject, parseJson } from '../text/json.ts'

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

/** Clocks may differ by this many seconds. */
const LEEWAY = 60

/** A public key or certificate in PEM. @throws VaultError */
export function readPublicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch {
    throw refuse(400, 'error parsing public key: not a public key in PEM')
  }
}

/** The claims of a token that one of the keys has signed and that is good now. @throws VaultError */
export function checkJwt(token: string, keys: readonly KeyObject[], now: number): JsonObject {
  const [head = '', body = '', signature = '', ...more] = token.split('.')
  const { alg } = decode(head)
  const algorithm = Object.hasOwn(ALGORITHMS, String(alg)) ? ALGORITHMS[String(alg)] : undefined
  if (more.length > 0 || !algorithm) throw refused('malformed token, or signed by an algorithm that is not supported')
  const { hash, key: keyType, options } = algorithm
  const input = Buffer.from(`${head}.${body}`)
  const given = Buffer.from(signature, 'base64url')
  const fitting = keys.filter(key => key.asymmetricKeyType === keyType)
  if (!fitting.some(key => verify(hash, input, { key, ...options }, given)))
    throw refused('no known key successfully validated the token signature')
  const claims = decode(body)
  checkTimes(claims, now / 1000)
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

function checkTimes({ exp, nbf, iat }: JsonObject, now: number): void {
  if (typeof exp !== 'number' && typeof nbf !== 'number' && typeof iat !== 'number') {
    throw refused('no issued at (iat), not before (nbf), or expiration time (exp) claims in token')
  }
  if (typeof exp === 'number' && now > exp + LEEWAY) throw refused('token is expired')
  if (typeof nbf === 'number' && now < nbf - LEEWAY) throw refused('token not valid yet')
  if (typeof iat === 'number' && now < iat - LEEWAY) throw refused('token issued in the future')
}

function refused(reason: string) {
  return refuse(400, `error validating token: ${reason}`)
}
