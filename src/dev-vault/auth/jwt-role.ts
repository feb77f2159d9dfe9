import { refuse } from '../errors.ts'
import type { Fields } from '../fields.ts'
import { globFits } from '../text/glob.ts'
import type { JsonObject } from '../text/json.ts'
import type { Leeways } from './jwt-times.ts'
import { changeParams, NO_PARAMS, showParams, type TokenParams } from './token-params.ts'

/** Which tokens are good for a login, and what the login is like. */
export interface JwtRole {
  readonly userClaim: string
  readonly boundAudiences: readonly string[]
  readonly boundSubject: string
  readonly boundClaims: JsonObject
  /** Texts of bound claims may hold `*`. */
  readonly globs: boolean
  readonly claimMappings: JsonObject
  readonly leeways: Leeways
  readonly params: TokenParams
}

/** The role as a write leaves it. @throws VaultError */
export function changeRole(fields: Fields, before: JwtRole | undefined): JwtRole {
  const role: JwtRole = {
    userClaim: fields.text('user_claim', before?.userClaim),
    boundAudiences: fields.has('bound_audiences') ? fields.list('bound_audiences') : (before?.boundAudiences ?? []),
    boundSubject: fields.text('bound_subject', before?.boundSubject),
    boundClaims: fields.has('bound_claims') ? fields.map('bound_claims') : (before?.boundClaims ?? {}),
    claimMappings: fields.has('claim_mappings') ? fields.map('claim_mappings') : (before?.claimMappings ?? {}),
    globs: boundClaimsType(fields, before) === 'glob',
    leeways: {
      expiration: fields.seconds('expiration_leeway', before?.leeways.expiration),
      notBefore: fields.seconds('not_before_leeway', before?.leeways.notBefore),
      clockSkew: fields.seconds('clock_skew_leeway', before?.leeways.clockSkew),
    },
    params: changeParams(fields, before?.params ?? NO_PARAMS),
  }
  if (!before && fields.text('role_type') !== 'jwt') throw refuse(400, `only role type 'jwt' is supported here`)
  if (role.userClaim === '') throw refuse(400, 'a user claim must be defined on the role')
  const bound = role.boundAudiences.length + role.boundSubject.length + Object.keys(role.boundClaims).length
  if (bound + role.params.boundCidrs.length === 0)
    throw refuse(400, 'must have at least one bound constraint when creating/updating a role')
  return role
}

/** @throws VaultError for claims that the role does not take */
export function checkBounds(role: JwtRole, claims: JsonObject): void {
  const audiences = [claims.aud].flat()
  // A token that says whom it is for must not be taken by a role that says nothing about that.
  const forUs =
    claims.aud === undefined
      ? role.boundAudiences.length === 0
      : role.boundAudiences.some(one => audiences.includes(one))
  if (!forUs) {
    const reason = 'audience claim does not match any expected audience'
    throw refuse(400, `error validating token: invalid audience (aud) claim: ${reason}`)
  }
  if (role.boundSubject !== '' && claims.sub !== role.boundSubject)
    throw refuse(400, 'error validating claims: sub claim does not match bound subject')
  for (const [claim, wanted] of Object.entries(role.boundClaims)) {
    const found = claimAt(claims, claim)
    if (found === undefined) throw refuse(400, `error validating claims: claim ${JSON.stringify(claim)} is missing`)
    const given = [found].flat()
    const fits = [wanted].flat().some(one => given.some(value => fitsClaim(role.globs, one, value)))
    if (!fits)
      throw refuse(
        400,
        `error validating claims: claim ${JSON.stringify(claim)} does not match any associated bound claim values`,
      )
  }
}

/** What the metadata of a login says, from its claims. @throws VaultError for a claim that is no text */
export function mappedClaims(role: JwtRole, claims: JsonObject): Record<string, string> {
  const mapped: Record<string, string> = {}
  for (const [claim, as] of Object.entries(role.claimMappings)) {
    const value = claimAt(claims, claim)
    if (value === undefined) continue
    if (typeof value !== 'string') throw refuse(400, `error converting claim '${claim}' to string`)
    mapped[String(as)] = value
  }
  return mapped
}

function boundClaimsType(fields: Fields, before: JwtRole | undefined): string {
  const type = fields.text('bound_claims_type', before?.globs ? 'glob' : 'string')
  if (type !== 'string' && type !== 'glob') throw refuse(400, `invalid 'bound_claims_type': ${type}`)
  return type
}

/** A claim by its name, or within others by a JSON pointer (RFC 6901), which begins with a slash. */
function claimAt(claims: JsonObject, name: string): unknown {
  if (!name.startsWith('/')) return Object.hasOwn(claims, name) ? claims[name] : undefined
  let value: unknown = claims
  for (const part of name.slice(1).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as JsonObject)[key]
  }
  return value
}

function fitsClaim(globs: boolean, wanted: unknown, given: unknown): boolean {
  return globs && typeof wanted === 'string' && typeof given === 'string' ? globFits(wanted, given) : wanted === given
}

export function showRole(role: JwtRole): JsonObject {
  return {
    ...showParams(role.params),
    role_type: 'jwt',
    user_claim: role.userClaim,
    bound_audiences: role.boundAudiences,
    bound_subject: role.boundSubject,
    bound_claims: role.boundClaims,
    bound_claims_type: role.globs ? 'glob' : 'string',
    expiration_leeway: role.leeways.expiration,
    not_before_leeway: role.leeways.notBefore,
    clock_skew_leeway: role.leeways.clockSkew,
    claim_mappings: role.claimMappings,
  }
}
