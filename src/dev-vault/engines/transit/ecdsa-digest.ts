import { createECDH, type KeyObject } from 'node:crypto'
import type { KeyType } from './key-types.ts'

/**
 * ECDSA (FIPS 186-5, 6.4) over a digest that the client has made: Node can only sign what it hashes itself. It is used for
 * `prehashed` requests alone and is not constant in time, which a server for tests need not be.
 */

type Point = readonly [x: bigint, y: bigint, z: bigint]

interface Curve {
  readonly openssl: string
  readonly bytes: number
  readonly p: bigint
  readonly n: bigint
}

const CURVES: Readonly<Record<string, Curve>> = {
  'P-256': {
    openssl: 'prime256v1',
    bytes: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  'P-384': {
    openssl: 'secp384r1',
    bytes: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  'P-521': {
    openssl: 'secp521r1',
    bytes: 66,
    p: 2n ** 521n - 1n,
    n: 2n ** 521n - 2n ** 260n + 0xa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
}

/** The signature r ‖ s of a digest. */
export function signDigest(type: KeyType, privateKey: KeyObject, digest: Buffer): Buffer {
  const curve = curveOf(type)
  const d = fromBase64(privateKey.export({ format: 'jwk' }).d)
  for (;;) {
    const nonce = createECDH(curve.openssl)
    const [x] = affine(nonce.generateKeys())
    const r = x % curve.n
    const s = mod(inverse(number(nonce.getPrivateKey()), curve.n) * (leftBits(curve, digest) + r * d), curve.n)
    if (r > 0n && s > 0n) return Buffer.concat([bytes(r, curve.bytes), bytes(s, curve.bytes)])
  }
}

/** Is r ‖ s a signature of the digest? */
export function verifyDigest(type: KeyType, publicKey: KeyObject, digest: Buffer, signature: Buffer): boolean {
  const curve = curveOf(type)
  if (signature.length !== 2 * curve.bytes) return false
  const [r, s] = [number(signature.subarray(0, curve.bytes)), number(signature.subarray(curve.bytes))]
  if (r <= 0n || r >= curve.n || s <= 0n || s >= curve.n) return false
  const jwk = publicKey.export({ format: 'jwk' })
  const w = inverse(s, curve.n)
  const base = createECDH(curve.openssl)
  base.setPrivateKey(bytes(1n, curve.bytes))
  const g: Point = [...affine(base.getPublicKey()), 1n]
  const q: Point = [fromBase64(jwk.x), fromBase64(jwk.y), 1n]
  const u = mod(leftBits(curve, digest) * w, curve.n)
  const [x, , z] = sumOfMultiples(curve.p, u, g, mod(r * w, curve.n), q)
  if (z === 0n) return false
  return mod(x * inverse(z * z, curve.p), curve.p) % curve.n === r
}

function curveOf(type: KeyType): Curve {
  return CURVES[type.curve?.name ?? ''] as Curve
}

/** As many bits of the digest as the order of the curve has. */
function leftBits(curve: Curve, digest: Buffer): bigint {
  const extra = digest.length * 8 - curve.n.toString(2).length
  return extra > 0 ? number(digest) >> BigInt(extra) : number(digest)
}

/** u·G + v·Q, in Jacobian coordinates: x/z², y/z³, and z = 0 at infinity. */
function sumOfMultiples(p: bigint, u: bigint, g: Point, v: bigint, q: Point): Point {
  const both = add(p, g, q)
  let sum: Point = [1n, 1n, 0n]
  for (let bit = BigInt(Math.max(u.toString(2).length, v.toString(2).length)) - 1n; bit >= 0n; bit--) {
    sum = double(p, sum)
    const [ofU, ofV] = [(u >> bit) & 1n, (v >> bit) & 1n]
    if (ofU || ofV) sum = add(p, sum, ofU && ofV ? both : ofU ? g : q)
  }
  return sum
}

function double(p: bigint, [x, y, z]: Point): Point {
  const yy = mod(y * y, p)
  const s = mod(4n * x * yy, p)
  // All three curves have a = -3.
  const m = mod(3n * (x - z * z) * (x + z * z), p)
  const x3 = mod(m * m - 2n * s, p)
  return [x3, mod(m * (s - x3) - 8n * yy * yy, p), mod(2n * y * z, p)]
}

function add(p: bigint, a: Point, b: Point): Point {
  if (a[2] === 0n) return b
  if (b[2] === 0n) return a
  const [za, zb] = [mod(a[2] * a[2], p), mod(b[2] * b[2], p)]
  const [ua, ub] = [mod(a[0] * zb, p), mod(b[0] * za, p)]
  const [sa, sb] = [mod(a[1] * zb * b[2], p), mod(b[1] * za * a[2], p)]
  if (ua === ub) return sa === sb ? double(p, a) : [1n, 1n, 0n]
  const h = ub - ua
  const r = sb - sa
  const hh = mod(h * h, p)
  const hhh = mod(hh * h, p)
  const x = mod(r * r - hhh - 2n * ua * hh, p)
  return [x, mod(r * (ua * hh - x) - sa * hhh, p), mod(a[2] * b[2] * h, p)]
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [mod(value, modulus), modulus, 1n, 0n]
  while (a > 1n) {
    const q = b / a
    ;[a, b] = [b - q * a, a]
    ;[x, y] = [y - q * x, x]
  }
  return mod(x, modulus)
}

function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

function affine(point: Buffer): [bigint, bigint] {
  const half = (point.length - 1) / 2
  return [number(point.subarray(1, 1 + half)), number(point.subarray(1 + half))]
}

function number(buffer: Buffer): bigint {
  return BigInt(`0x${buffer.toString('hex') || '0'}`)
}

function bytes(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex')
}

function fromBase64(text: string | undefined): bigint {
  return number(Buffer.from(text ?? '', 'base64url'))
}
