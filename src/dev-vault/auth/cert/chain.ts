import type { X509Certificate } from 'node:crypto'

/** Longer chains are none of ours; it also bounds what a client can make us compute. */
const MAX_LENGTH = 8
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const ANY_USE = '2.5.29.37.0'

/** The certificates that a client sent, its own first. */
export function sentChain(own: X509Certificate): X509Certificate[] {
  const sent = [own]
  for (let next = own.issuerCertificate; next && sent.length < MAX_LENGTH; next = next.issuerCertificate) {
    if (sent.some(one => same(one, next))) break
    sent.push(next)
  }
  return sent
}

/** May it be used by a client at all? `now` in milliseconds. */
export function goodForClients(certificate: X509Certificate, now: number): boolean {
  const uses = certificate.keyUsage as string[] | undefined
  return validAt(certificate, now) && (!uses?.length || uses.includes(CLIENT_AUTH) || uses.includes(ANY_USE))
}

/** Does a chain lead from the first of the sent certificates, by way of the others, to one that is trusted? */
export function leadsTo(trusted: readonly X509Certificate[], sent: readonly X509Certificate[], now: number): boolean {
  let reached = sent.slice(0, 1)
  for (let length = 0; length < MAX_LENGTH; length++) {
    const above = (candidates: readonly X509Certificate[]) =>
      candidates.filter(issuer => validAt(issuer, now) && reached.some(one => same(one, issuer) || issued(issuer, one)))
    if (above(trusted).length > 0) return true
    reached = above(sent.slice(1)).filter(issuer => !reached.some(one => same(one, issuer)))
    if (reached.length === 0) return false
  }
  return false
}

/** All of it: a serial number and an issuer's name can be made to match by whoever runs another authority. */
export function same(a: X509Certificate, b: X509Certificate): boolean {
  return a.raw.equals(b.raw)
}

function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function validAt({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime()
}
