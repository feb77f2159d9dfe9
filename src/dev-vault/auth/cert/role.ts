import { X509Certificate } from 'node:crypto'
import { refuse } from '../../errors.ts'
import type { Fields } from '../../fields.ts'
import { globFits } from '../../text/glob.ts'
import type { JsonObject } from '../../text/json.ts'
import { changeParams, NO_PARAMS, showParams, type TokenParams } from '../token-params.ts'
import { leadsTo, same } from './chain.ts'
import type { Names } from './names.ts'

/** Which certificates are good for a login: this one, or those of this authority, with these names. */
export interface CertRole {
  readonly pem: string
  readonly certificates: readonly X509Certificate[]
  readonly displayName: string
  /** By the name of the field; a list that is empty allows all. */
  readonly allowed: Readonly<Record<string, readonly string[]>>
  readonly params: TokenParams
}

/** What each field of allowed names is compared with; one of them must fit one of the patterns. */
const ALLOWED: Readonly<Record<string, (names: Names) => readonly string[]>> = {
  allowed_names: ({ common, dns, email }) => [common, ...dns, ...email],
  allowed_common_names: ({ common }) => [common],
  allowed_dns_sans: ({ dns }) => dns,
  allowed_email_sans: ({ email }) => email,
  allowed_uri_sans: ({ uri }) => uri,
  allowed_organizational_units: ({ units }) => units,
}

/** The role as a write leaves it. @throws VaultError */
export function changeRole(name: string, fields: Fields, before: CertRole | undefined): CertRole {
  // A bound that is not looked at must not seem to be set.
  if (fields.list('required_extensions').length > 0) throw refuse(400, 'required_extensions are not supported here')
  const pem = fields.text('certificate', before?.pem)
  const list = (field: string) => (fields.has(field) ? fields.list(field) : (before?.allowed[field] ?? []))
  return {
    pem,
    certificates: parseCertificates(pem),
    displayName: fields.text('display_name', before?.displayName) || name,
    allowed: Object.fromEntries(Object.keys(ALLOWED).map(field => [field, list(field)])),
    params: changeParams(fields, before?.params ?? NO_PARAMS),
  }
}

function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    if (blocks.length > 0) return blocks.map(block => new X509Certificate(block))
  } catch {
    // said below
  }
  throw refuse(400, 'failed to parse certificate')
}

/** Does the role trust what a client has sent? An authority stands for all it has issued, any other certificate for itself. */
export function trusts(role: CertRole, sent: readonly X509Certificate[], now: number): boolean {
  const [own] = sent
  const authorities = role.certificates.filter(certificate => certificate.ca)
  return (own !== undefined && role.certificates.some(one => same(one, own))) || leadsTo(authorities, sent, now)
}

export function allowsNames(role: CertRole, names: Names): boolean {
  return Object.entries(ALLOWED).every(([field, pick]) => {
    const patterns = role.allowed[field] ?? []
    return patterns.length === 0 || patterns.some(pattern => pick(names).some(name => globFits(pattern, name)))
  })
}

export function showRole(role: CertRole): JsonObject {
  return {
    ...showParams(role.params),
    ...role.allowed,
    certificate: role.pem,
    display_name: role.displayName,
    required_extensions: [],
  }
}
