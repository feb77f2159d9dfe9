import { createHash, verify } from 'node:crypto'
import { NotASignature } from './armor.ts'
import { readSshKey, type SshKey } from './ssh-key.ts'
import { SshReader, sshString } from './ssh-wire.ts'

const MAGIC = 'SSHSIG'
const NAMESPACE = 'git'
const USER_PRESENT = 1
const RSA_HASHES: ReadonlyMap<string, string> = new Map([
  ['rsa-sha2-256', 'sha256'],
  ['rsa-sha2-512', 'sha512'],
])

export interface SshSignature {
  readonly key: SshKey
  readonly hash: 'sha256' | 'sha512'
  readonly algorithm: string
  readonly bytes: Buffer
  /** Of a security token: flags and counter, 5 bytes. */
  readonly token: Buffer | undefined
}

export function isSshSignature(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, MAGIC.length) === MAGIC
}

/** The format of `ssh-keygen -Y sign` (OpenSSH's PROTOCOL.sshsig), only for the namespace `git`. */
export function readSshSignature(blob: Buffer): SshSignature {
  const reader = new SshReader(blob)
  if (reader.take(MAGIC.length).toString('latin1') !== MAGIC || reader.uint32() !== 1)
    throw new NotASignature('malformed')
  const key = readSshKey(reader.string())
  // What somebody signed as an e-mail or a file must not pass as a commit.
  if (reader.text() !== NAMESPACE) throw new NotASignature('made for another purpose than git')
  if (reader.string().length > 0) throw new NotASignature('malformed')
  const hash = reader.text()
  if (hash !== 'sha256' && hash !== 'sha512') throw new NotASignature('a hash that is not accepted')
  const signature = new SshReader(reader.string())
  reader.end()
  const algorithm = signature.text()
  const bytes = signature.string()
  const token = key.application ? signature.take(5) : undefined
  signature.end()
  return { key, hash, algorithm, bytes, token }
}

/** Throws `NotASignature` unless the signature is one of these bytes by the key in it. Whether that is trusted is not asked here. */
export function verifySsh(signature: SshSignature, payload: Uint8Array): void {
  const { key, hash, algorithm, bytes, token } = signature
  const digest = createHash(hash).update(payload).digest()
  const signed = Buffer.concat([
    Buffer.from(MAGIC),
    sshString(NAMESPACE),
    sshString(''),
    sshString(hash),
    sshString(digest),
  ])
  if (!signatureFits(key, algorithm, bytes, token ? ofToken(key, token, signed) : signed)) {
    throw new NotASignature('it does not fit what was signed')
  }
}

function ofToken(key: SshKey, token: Buffer, signed: Buffer): Buffer {
  // Without a touch, whatever runs on the machine could sign while its owner is away.
  if (((token[0] as number) & USER_PRESENT) === 0) throw new NotASignature('nobody touched the token')
  const sha256 = (data: Buffer) => createHash('sha256').update(data).digest()
  return Buffer.concat([sha256(key.application as Buffer), token, sha256(signed)])
}

function signatureFits({ key, type }: SshKey, algorithm: string, bytes: Buffer, signed: Buffer): boolean {
  if (type === 'ssh-rsa') {
    const hash = RSA_HASHES.get(algorithm)
    if (!hash) throw new NotASignature('RSA with SHA-1, or something else that is not accepted')
    return verify(hash, signed, key, bytes)
  }
  if (algorithm !== type) throw new NotASignature('malformed')
  if (key.asymmetricKeyType === 'ed25519') return bytes.length === 64 && verify(null, signed, key, bytes)
  const size = { prime256v1: 32, secp384r1: 48, secp521r1: 66 }[key.asymmetricKeyDetails?.namedCurve ?? '']
  const hash = { 32: 'sha256', 48: 'sha384', 66: 'sha512' }[size ?? 0]
  if (!size || !hash) throw new NotASignature('malformed')
  const reader = new SshReader(bytes)
  const numbers = [reader.integer(), reader.integer()]
  reader.end()
  if (numbers.some(number => number.length > size)) throw new NotASignature('malformed')
  const padded = Buffer.concat(numbers.flatMap(number => [Buffer.alloc(size - number.length), number]))
  return verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, padded)
}
