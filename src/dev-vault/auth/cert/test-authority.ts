import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its key, in PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

const OPENSSL = 'openssl'

/** For tests: a certificate of this subject (`/CN=a/OU=b`), by its own key or by an issuer's. */
export function certificate(subject: string, extensions: readonly string[] = [], issuer?: Pair, days = 2): Pair {
  const folder = mkdtempSync(join(tmpdir(), 'dev-vault-cert-'))
  const file = (name: string) => join(folder, name)
  try {
    const by = issuer ? ['-CA', file('ca.pem'), '-CAkey', file('ca.key')] : []
    if (issuer) writeFileSync(file('ca.pem'), issuer.cert)
    if (issuer) writeFileSync(file('ca.key'), issuer.key)
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', String(days)]
    const wanted = extensions.flatMap(extension => ['-addext', extension])
    const out = ['-keyout', file('key'), '-out', file('cert')]
    execFileSync(OPENSSL, ['req', '-x509', ...by, ...made, '-subj', subject, ...wanted, ...out], { stdio: 'ignore' })
    return { cert: readFileSync(file('cert'), 'utf8'), key: readFileSync(file('key'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const AUTHORITY = ['basicConstraints=critical,CA:TRUE']
export const LEAF = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=clientAuth']
