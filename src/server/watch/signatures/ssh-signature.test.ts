import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { NotASignature } from './armor.ts'
import { readSshKey } from './ssh-key.ts'
import { readSshSignature, verifySsh } from './ssh-signature.ts'
import { sshString as text } from './ssh-wire.ts'

const refused = (read: () => unknown, why = 'malformed') => {
  expect(read).toThrow(NotASignature)
  expect(read).toThrow(why)
}
const wire = (...parts: readonly (string | Uint8Array)[]) => Buffer.concat(parts.map(text))
const part = (key: KeyObject, name: 'x' | 'y' | 'n' | 'e') =>
  Buffer.from(key.export({ format: 'jwk' })[name] ?? '', 'base64url')
/** SSH's encoding of a positive number. */
const number = (bytes: Buffer) => ((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes)

const ed = generateKeyPairSync('ed25519')
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const POINT = Buffer.concat([Buffer.from([4]), part(ec.publicKey, 'x'), part(ec.publicKey, 'y')])
const KEYS = {
  ed: wire('ssh-ed25519', part(ed.publicKey, 'x')),
  ec: wire('ecdsa-sha2-nistp256', 'nistp256', POINT),
  rsa: wire('ssh-rsa', number(part(rsa.publicKey, 'e')), number(part(rsa.publicKey, 'n'))),
}

describe('keys', () => {
  test('are read', () => {
    for (const blob of Object.values(KEYS)) expect(readSshKey(blob).fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/)
  })

  test('with something behind them', () => {
    for (const blob of Object.values(KEYS)) refused(() => readSshKey(Buffer.concat([blob, Buffer.from([0])])))
  })

  test('RSA: 2048 bits and not one less', () => {
    const of = (bits: number) => {
      const modulus = Buffer.alloc(256, 0xff)
      modulus[0] = 0xff >> (2048 - bits)
      return readSshKey(wire('ssh-rsa', Buffer.from([1, 0, 1]), number(modulus)))
    }
    expect(of(2048).type).toBe('ssh-rsa')
    refused(() => of(2047), 'RSA of less than 2048 bits')
    // zeros in front make none longer
    const padded = Buffer.concat([Buffer.alloc(200), Buffer.alloc(128, 0x7f)])
    refused(() => readSshKey(wire('ssh-rsa', Buffer.from([1, 0, 1]), padded)), 'RSA of less than 2048 bits')
  })

  test.each([[''], ['\0'], ['\x01\0\0\0\x01']])('RSA with the exponent %j', exponent => {
    const e = Buffer.from(exponent, 'latin1')
    refused(() => readSshKey(wire('ssh-rsa', e, number(part(rsa.publicKey, 'n')))), 'an unusual RSA key')
  })

  test('negative numbers', () => {
    refused(() => readSshKey(wire('ssh-rsa', Buffer.from([1, 0, 1]), part(rsa.publicKey, 'n'))))
  })

  test('ed25519 of another length', () => {
    refused(() => readSshKey(wire('ssh-ed25519', part(ed.publicKey, 'x').subarray(1))))
    refused(() => readSshKey(wire('ssh-ed25519', Buffer.concat([part(ed.publicKey, 'x'), Buffer.alloc(1)]))))
  })

  test('a curve of another name, a point of another form, of another length', () => {
    refused(() => readSshKey(wire('ecdsa-sha2-nistp256', 'nistp384', POINT)))
    refused(() => readSshKey(wire('ecdsa-sha2-nistp256', 'nistp256', Buffer.concat([POINT, Buffer.alloc(1)]))))
    refused(() =>
      readSshKey(wire('ecdsa-sha2-nistp256', 'nistp256', Buffer.concat([Buffer.from([6]), POINT.subarray(1)]))),
    )
    refused(() => readSshKey(wire('ecdsa-sha2-nistp256', 'nistp256', Buffer.alloc(65, 4))), 'not a public key')
  })

  test.each([
    'ssh-dss',
    'ssh-ed25519-cert-v01@openssh.com',
    'ecdsa-sha2-nistp224',
    'xecdsa-sha2-nistp256',
    'sk-ecdsa-sha2-nistp256@openssh.comx',
    '',
  ])('of the kind %j', kind => {
    refused(() => readSshKey(wire(kind, 'nistp256', POINT)), 'a kind of key that is not accepted')
  })
})

interface Made {
  readonly key: keyof typeof KEYS
  readonly algorithm?: string
  readonly namespace?: string
  readonly reserved?: string
  readonly hash?: string
  readonly version?: number
  /** Of what is signed as it says, by default; changed afterwards. */
  readonly change?: (raw: Buffer) => Buffer
  /** Behind the signature itself. */
  readonly behind?: string
}

const PAYLOAD = Buffer.from('a commit')
const ALGORITHMS = { ed: 'ssh-ed25519', ec: 'ecdsa-sha2-nistp256', rsa: 'rsa-sha2-512' }

function rawSignature(key: Made['key'], data: Buffer, hash: string): Buffer {
  if (key === 'ed') return sign(null, data, ed.privateKey)
  if (key === 'rsa') return sign(hash, data, rsa.privateKey)
  const raw = sign('sha256', data, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
  return wire(number(raw.subarray(0, 32)), number(raw.subarray(32)))
}

/** A signature of PAYLOAD that is right but for what is asked: whoever has the key made all of it. */
function check(made: Made, rsaHash = 'sha512'): void {
  const { key, namespace = 'git', reserved = '', hash = 'sha512', version = 1, change = raw => raw, behind = '' } = made
  const head = wire(namespace, reserved, hash)
  const digest = createHash(['sha1', 'sha256', 'md5'].includes(hash) ? hash : 'sha512')
    .update(PAYLOAD)
    .digest()
  const raw = change(rawSignature(key, Buffer.concat([Buffer.from('SSHSIG'), head, text(digest)]), rsaHash))
  const signature = Buffer.concat([wire(made.algorithm ?? ALGORITHMS[key], raw), Buffer.from(behind)])
  const blob = [Buffer.from('SSHSIG'), Buffer.from([0, 0, 0, version]), text(KEYS[key]), head, text(signature)]
  verifySsh(readSshSignature(Buffer.concat(blob)), PAYLOAD)
}

describe('signatures', () => {
  test('as they are right', () => {
    for (const key of ['ed', 'ec', 'rsa'] as const) check({ key })
    check({ key: 'ed', hash: 'sha256' })
    check({ key: 'rsa', algorithm: 'rsa-sha2-256' }, 'sha256')
  })

  test('for another purpose, in another version, with something in the reserved field', () => {
    for (const namespace of ['file', 'email', 'gitx', 'GIT', ''])
      refused(() => check({ key: 'ed', namespace }), 'made for another purpose than git')
    for (const version of [0, 2]) refused(() => check({ key: 'ed', version }))
    refused(() => check({ key: 'ed', reserved: 'x' }))
  })

  test('over a hash that is not accepted', () => {
    for (const hash of ['sha1', 'md5', 'SHA512', 'sha512x', ''])
      refused(() => check({ key: 'ed', hash }), 'a hash that is not accepted')
  })

  test('RSA with SHA-1, by both of its names, and with what is none', () => {
    const why = 'RSA with SHA-1, or something else that is not accepted'
    for (const algorithm of ['ssh-rsa', 'rsa-sha1', 'constructor', '__proto__', ''])
      refused(() => check({ key: 'rsa', algorithm }, 'sha1'), why)
    refused(() => check({ key: 'rsa' }, 'sha256'), 'it does not fit')
  })

  test('under the name of another algorithm', () => {
    refused(() => check({ key: 'ed', algorithm: 'ecdsa-sha2-nistp256' }))
    refused(() => check({ key: 'ed', algorithm: '' }))
    refused(() => check({ key: 'ec', algorithm: 'ecdsa-sha2-nistp384' }))
  })

  test('with something behind them', () => {
    for (const key of ['ed', 'ec', 'rsa'] as const) refused(() => check({ key, behind: 'x' }))
    refused(() => check({ key: 'ec', change: raw => Buffer.concat([raw, Buffer.alloc(1)]) }))
    refused(() => check({ key: 'ed', change: raw => Buffer.concat([raw, Buffer.alloc(1)]) }), 'it does not fit')
  })

  test('ECDSA: numbers that are too long, negative, nothing', () => {
    refused(() => check({ key: 'ec', change: () => wire(Buffer.alloc(33, 1), Buffer.alloc(32, 1)) }))
    refused(() => check({ key: 'ec', change: () => wire(Buffer.alloc(32, 0x80), Buffer.alloc(32, 1)) }))
    refused(() => check({ key: 'ec', change: () => wire('', '') }), 'it does not fit')
    refused(() => check({ key: 'ec', change: () => wire('\x01') }))
  })
})
