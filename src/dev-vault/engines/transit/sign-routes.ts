import { createHmac, timingSafeEqual } from 'node:crypto'
import { fail, refuse } from '../../errors.ts'
import type { Fields } from '../../fields.ts'
import type { Answer, Call, Route } from '../../routing/backend.ts'
import { Base64Error, decodeBase64 } from '../../text/base64.ts'
import type { JsonObject } from '../../text/json.ts'
import { batched } from './batch.ts'
import { PREFIX } from './cipher.ts'
import { contextOf, inputOf } from './context.ts'
import { type Digest, findDigest } from './digests.ts'
import { signingKey, type TransitKey, versionToEncrypt, versionToOpen } from './key.ts'
import { publicKey } from './key-routes.ts'
import type { Keyring } from './keyring.ts'
import { checkSignature, type Manner, makeSignature } from './signature.ts'

/** Sign, hmac and verify. */
export function signRoutes(keys: Keyring): Route[] {
  const pair = (verb: string, help: string, write: (call: Call) => Answer): Route[] => [
    { path: `${verb}/:name`, help, write },
    { path: `${verb}/:name/:urlalgorithm`, help, write },
  ]
  const keyOf = (call: Call) => keys.need(call.params.name as string)
  return [
    ...pair('sign', 'Signs the input.', call => {
      const key = keyOf(call)
      if (!key.type.signs) throw refuse(400, `key type ${key.type.name} does not support signing`)
      return batched(call, fields => signOne(key, fields, call.fields))
    }),
    ...pair('hmac', 'Makes an HMAC of the input.', call => {
      const key = keyOf(call)
      return batched(call, fields => hmacOne(key, fields, call.fields))
    }),
    ...pair('verify', 'Verifies a signature or an HMAC.', call => {
      const key = keyOf(call)
      return batched(call, fields => ({ valid: verifyOne(key, fields, call.fields) }))
    }),
  ]
}

function signOne(key: TransitKey, fields: Fields, request: Fields): JsonObject {
  const context = contextOf(key, fields)
  const { number, version } = versionToEncrypt(key, request.integer('key_version'))
  const manner = mannerOf(request)
  const signature = makeSignature(key, signingKey(key, version, context), inputOf(fields), manner)
  const text = signature.toString(rawText(key, manner) ? 'base64url' : 'base64')
  return {
    signature: `vault:v${number}:${text}`,
    key_version: number,
    ...(key.derived && { public_key: publicKey(key, version, context) }),
  }
}

function hmacOne(key: TransitKey, fields: Fields, request: Fields): JsonObject {
  if (!fields.has('input')) throw refuse(400, 'missing input for HMAC')
  const { number, version } = versionToEncrypt(key, request.integer('key_version'))
  const sum = createHmac(hmacDigest(request).name, version.hmacKey).update(inputOf(fields)).digest('base64')
  return { hmac: `vault:v${number}:${sum}` }
}

function verifyOne(key: TransitKey, fields: Fields, request: Fields): boolean {
  if (fields.has('signature')) return verifySignature(key, fields, request)
  if (!fields.has('hmac')) throw refuse(400, `neither a 'signature' nor an 'hmac' were given to verify`)
  const { version, rest } = versioned(key, fields.text('hmac'), 'HMAC')
  const expected = createHmac(hmacDigest(request).name, version.hmacKey).update(inputOf(fields)).digest()
  const given = bytesOf(rest, 'base64', 'unable to decode verification string as base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function verifySignature(key: TransitKey, fields: Fields, request: Fields): boolean {
  if (!key.type.signs) throw refuse(400, `key type ${key.type.name} does not support verification`)
  const context = contextOf(key, fields)
  const { version, rest } = versioned(key, fields.text('signature'), 'signature')
  const manner = mannerOf(request)
  const signature = bytesOf(rest, rawText(key, manner) ? 'base64url' : 'base64', 'invalid base64 signature value')
  return checkSignature(key, signingKey(key, version, context), inputOf(fields), signature, manner)
}

function versioned(key: TransitKey, text: string, what: 'signature' | 'HMAC') {
  const prefix = PREFIX.exec(text)
  if (!prefix) throw refuse(400, `invalid ${what === 'HMAC' ? 'HMAC to verify' : what}: no prefix`)
  return { version: versionToOpen(key, Number(prefix[1]), what), rest: text.slice(prefix[0].length) }
}

function bytesOf(text: string, encoding: 'base64' | 'base64url', complaint: string): Buffer {
  if (encoding === 'base64url') return Buffer.from(text, 'base64url')
  try {
    return decodeBase64(text)
  } catch (error) {
    if (error instanceof Base64Error) throw refuse(400, complaint)
    throw error
  }
}

function rawText(key: TransitKey, manner: Manner): boolean {
  return key.type.family === 'ecdsa' && manner.marshaling === 'jws'
}

function mannerOf(fields: Fields): Manner {
  const algorithm =
    fields.text('urlalgorithm') || fields.text('hash_algorithm') || fields.text('algorithm') || 'sha2-256'
  const hash = findDigest(algorithm)
  if (!hash) throw refuse(400, `invalid hash algorithm ${JSON.stringify(algorithm)}`)
  const padding = fields.text('signature_algorithm') || 'pss'
  if (padding !== 'pss' && padding !== 'pkcs1v15') throw fail(400, `unsupported rsa signature algorithm ${padding}`)
  const marshaling = fields.text('marshaling_algorithm') || 'asn1'
  if (marshaling !== 'asn1' && marshaling !== 'jws') {
    throw refuse(400, `invalid marshaling type ${JSON.stringify(marshaling)}`)
  }
  return { hash, prehashed: fields.flag('prehashed'), padding, marshaling }
}

function hmacDigest(fields: Fields): Digest {
  const algorithm = fields.text('urlalgorithm') || fields.text('algorithm') || 'sha2-256'
  const hash = findDigest(algorithm)
  if (!hash) throw refuse(400, `unsupported algorithm ${JSON.stringify(algorithm)}`)
  return hash
}
