import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate for 127.0.0.1 that is its own authority, in PEM. */
export function selfSigned(): { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'writ-certificate-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const name = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']
  try {
    const made = ['req', '-x509', '-days', '2', ...curve, ...name, '-keyout', key, '-out', cert]
    execFileSync('openssl', made, { stdio: 'ignore' })
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
