import type { X509Certificate } from 'node:crypto'

/** Whom a certificate is about. */
export interface Names {
  readonly common: string
  readonly units: readonly string[]
  readonly dns: readonly string[]
  readonly email: readonly string[]
  readonly uri: readonly string[]
}

export function namesOf(certificate: X509Certificate): Names {
  // By entries: `subject` is one text, in which a name could look like several.
  const subject = (certificate.toLegacyObject().subject ?? {}) as Readonly<Record<string, string | string[]>>
  const alternatives = alternativeNames(certificate.subjectAltName ?? '')
  const ofKind = (kind: string) => alternatives.filter(([found]) => found === kind).map(([, name]) => name)
  return {
    common: [subject.CN ?? ''].flat()[0] ?? '',
    units: [subject.OU ?? []].flat(),
    dns: ofKind('DNS'),
    email: ofKind('email'),
    uri: ofKind('URI'),
  }
}

/**
 * `DNS:a, URI:"b, DNS:c"` in its parts. Node puts what could be misread into quotes (CVE-2021-44532): they are taken from the left, and
 * what is not understood ends it.
 */
function alternativeNames(text: string): [string, string][] {
  const part = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?=, |$)/y
  const found: [string, string][] = []
  for (let match = part.exec(text); match; match = part.exec(text)) {
    const [, kind = '', name = ''] = match
    found.push([kind, name.startsWith('"') ? (JSON.parse(name) as string) : name])
  }
  return found
}
