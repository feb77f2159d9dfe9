import { refuse } from '../errors.ts'
import type { JsonObject } from '../text/json.ts'

/** How exact times are taken, in seconds: 0 is the usual, negative is none. */
export interface Leeways {
  readonly expiration: number
  readonly notBefore: number
  readonly clockSkew: number
}

export const USUAL_LEEWAYS: Leeways = { expiration: 0, notBefore: 0, clockSkew: 0 }

/** What `0` stands for in Vault. */
const USUAL_SKEW = 60
const USUAL_TERM = 150

/**
 * Is a token good at this time (seconds)? One without an end ends some time after it began: it must not be good for ever.
 * @throws VaultError
 */
export function checkTimes(claims: JsonObject, leeways: Leeways, now: number): void {
  const [exp, nbf, iat] = [time(claims.exp), time(claims.nbf), time(claims.iat)]
  if (exp === 0 && nbf === 0 && iat === 0)
    throw refused('no issued at (iat), not before (nbf), or expiration time (exp) claims in token')
  const end = exp || Math.max(nbf, iat) + leeway(leeways.expiration, USUAL_TERM)
  const begin = nbf || iat || end - leeway(leeways.notBefore, USUAL_TERM)
  const skew = leeway(leeways.clockSkew, USUAL_SKEW)
  if (now > end + skew) throw refused('invalid expiration time (exp) claim: token is expired')
  if (now < begin - skew) throw refused('invalid not before (nbf) claim: token not yet valid')
  if (now < iat - skew) throw refused('invalid issued at (iat) claim: token issued in the future')
}

function time(claim: unknown): number {
  return typeof claim === 'number' ? claim : 0
}

function leeway(wanted: number, usual: number): number {
  return wanted < 0 ? 0 : wanted || usual
}

function refused(reason: string) {
  return refuse(400, `error validating token: ${reason}`)
}
