import { refuse } from '../errors.ts'
import type { Fields } from '../fields.ts'
import type { JsonObject } from '../text/json.ts'
import { changeParams, NO_PARAMS, showParams, type TokenParams } from './token-params.ts'

/** Which tokens are good for a login, and what the login is like. */
export interface JwtRole {
  readonly userClaim: string
  readonly boundAudiences: readonly string[]
  readonly boundSubject: string
  readonly boundClaims: JsonObject
  readonly claimMappings: JsonObject
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
  if (!forUs) throw refuse(400, 'error validating claims: audience claim does not match any bound audience')
  if (role.boundSubject !== '' && claims.sub !== role.boundSubject)
    throw refuse(400, 'error validating claims: sub claim does not match bound subject')
  for (const [claim, wanted] of Object.entries(role.boundClaims)) {
    const given = [claims[claim]].flat()
    const fits = [wanted].flat().some(one => given.includes(one))
    if (!fits)
      throw refuse(
        400,
        `error validating claims: claim ${JSON.stringify(claim)} does not match any associated bound claim values`,
      )
  }
}

export function showRole(role: JwtRole): JsonObject {
  return {
    ...showParams(role.params),
    role_type: 'jwt',
    user_claim: role.userClaim,
    bound_audiences: role.boundAudiences,
    bound_subject: role.boundSubject,
    bound_claims: role.boundClaims,
    claim_mappings: role.claimMappings,
  }
}
