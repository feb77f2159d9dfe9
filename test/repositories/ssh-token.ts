import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { armored } from './gpg-home.ts'

export interface TokenOptions {
  /** Default: touched. */
  readonly flags?: number
  readonly application?: string
  readonly namespace?: string
}

/** What a FIDO key does for OpenSSH (PROTOCOL.u2f), with the key in memory instead of a token. */
export function sshToken(kind: 'ed25519' | 'ecdsa') {
  const { publicKey, privateKey } =
    kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const type = kind === 'ed25519' ? 'sk-ssh-ed25519@openssh.com' : 'sk-ecdsa-sha2-nistp256@openssh.com'
  const blob = Buffer.concat([text(type), ...publicParts(publicKey, kind), text('ssh:')])
  return {
    publicKey: `${type} ${blob.toString('base64')} token`,
    sign(content: string | Buffer, { flags = 1, application = 'ssh:', namespace = 'git' }: TokenOptions = {}): string {
      const hash = createHash('sha512').update(content).digest()
      const head = [text(namespace), text(''), text('sha512')]
      const signed = Buffer.concat([Buffer.from('SSHSIG'), ...head, text(hash)])
      const counter = Buffer.from([flags, 0, 0, 0, 7])
      const data = Buffer.concat([sha256(application), counter, sha256(signed)])
      const signature = Buffer.concat([text(type), text(rawSignature(privateKey, kind, data)), counter])
      const version = Buffer.from([0, 0, 0, 1])
      return armored(
        Buffer.concat([Buffer.from('SSHSIG'), version, text(blob), ...head, text(signature)]),
        'SSH SIGNATURE',
      )
    },
  }
}

function publicParts(key: KeyObject, kind: 'ed25519' | 'ecdsa'): Buffer[] {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  const [first, second] = [x, y].map(part => Buffer.from(part, 'base64url')) as [Buffer, Buffer]
  return kind === 'ed25519' ? [text(first)] : [text('nistp256'), text(Buffer.concat([Buffer.from([4]), first, second]))]
}

function rawSignature(key: KeyObject, kind: 'ed25519' | 'ecdsa', data: Buffer): Buffer {
  if (kind === 'ed25519') return sign(null, data, key)
  const raw = sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' })
  return Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))])
}

function integer(bytes: Buffer): Buffer {
  return text(Buffer.concat([Buffer.alloc((bytes[0] as number) >= 0x80 ? 1 : 0), bytes]))
}

function sha256(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest()
}

function text(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
