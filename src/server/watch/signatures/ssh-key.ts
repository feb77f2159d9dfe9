import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { NotASignature } from './armor.ts'
import { SshReader } from './ssh-wire.ts'

export interface SshKey {
  readonly type: string
  readonly key: KeyObject
  /** For a key on a security token: what it was made for, hashed into every signature. */
  readonly application: Buffer | undefined
  /** `SHA256:` and base64, as ssh-keygen prints it. */
  readonly fingerprint: string
}

const CURVES: Readonly<Record<string, { crv: string; bytes: number }>> = {
  nistp256: { crv: 'P-256', bytes: 32 },
  nistp384: { crv: 'P-384', bytes: 48 },
  nistp521: { crv: 'P-521', bytes: 66 },
}
const RSA_BITS = 2048

/** A public key in SSH's encoding. `NotASignature` for kinds that are not accepted: DSA, certificates, RSA below 2048 bits. */
export function readSshKey(blob: Buffer): SshKey {
  const reader = new SshReader(blob)
  const type = reader.text()
  const jwk = readJwk(type, reader)
  const application = type.startsWith('sk-') ? reader.string() : undefined
  reader.end()
  const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')
  try {
    return { type, key: createPublicKey({ key: jwk, format: 'jwk' }), application, fingerprint: `SHA256:${digest}` }
  } catch {
    throw new NotASignature('not a public key')
  }
}

function readJwk(type: string, reader: SshReader): { kty: string; [field: string]: string } {
  if (type === 'ssh-ed25519' || type === 'sk-ssh-ed25519@openssh.com') {
    const x = reader.string()
    if (x.length !== 32) throw new NotASignature('malformed')
    return { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') }
  }
  if (type === 'ssh-rsa') {
    const e = reader.integer()
    const n = reader.integer()
    if (n.length * 8 - Math.clz32(n[0] ?? 0) + 24 < RSA_BITS)
      throw new NotASignature(`RSA of less than ${RSA_BITS} bits`)
    if (e.length > 4 || e.length === 0) throw new NotASignature('an unusual RSA key')
    return { kty: 'RSA', e: e.toString('base64url'), n: n.toString('base64url') }
  }
  const curve = /^(?:ecdsa-sha2-(nistp(?:256|384|521))|sk-ecdsa-sha2-(nistp256)@openssh\.com)$/.exec(type)
  if (!curve) throw new NotASignature('a kind of key that is not accepted')
  return readPoint((curve[1] ?? curve[2]) as string, reader)
}

function readPoint(name: string, reader: SshReader): { kty: string; crv: string; x: string; y: string } {
  const { crv, bytes } = CURVES[name] as { crv: string; bytes: number }
  if (reader.text() !== name) throw new NotASignature('malformed')
  const point = reader.string()
  if (point.length !== 1 + 2 * bytes || point[0] !== 4) throw new NotASignature('malformed')
  const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)]
  return { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') }
}
