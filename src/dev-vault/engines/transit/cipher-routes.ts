import { refuse, VaultError } from '../../errors.ts'
import { Fields } from '../../fields.ts'
import type { Answer, Call, Route } from '../../routing/backend.ts'
import { isObject, type JsonObject } from '../../text/json.ts'
import { decrypt, encrypt } from './cipher.ts'
import { contextOf, decoded } from './context.ts'
import type { TransitKey } from './key.ts'
import type { Keyring } from './keyring.ts'

type Work = (key: TransitKey, fields: Fields) => JsonObject

/** Encrypt, decrypt and rewrap: one text or a batch of them. */
export function cipherRoutes(keys: Keyring): Route[] {
  const nameOf = (call: Call) => call.params.name as string
  return [
    {
      path: 'encrypt/:name',
      help: 'Encrypts, and makes the key when there is none.',
      exists: call => keys.find(nameOf(call)) !== undefined,
      write: async call => {
        const key = await keys.open(nameOf(call), call.fields)
        if (!key.type.encrypts) throw refuse(400, `message encryption not supported for key type ${key.type.name}`)
        return work(key, call, encryptOne)
      },
    },
    {
      path: 'decrypt/:name',
      help: 'Decrypts.',
      write: call => work(decryptingKey(keys, nameOf(call)), call, decryptOne),
    },
    {
      path: 'rewrap/:name',
      help: 'Encrypts with the latest version what an older one has encrypted.',
      write: call => work(decryptingKey(keys, nameOf(call)), call, rewrapOne),
    },
  ]
}

function decryptingKey(keys: Keyring, name: string): TransitKey {
  const key = keys.need(name)
  if (!key.type.encrypts) throw refuse(400, `message decryption not supported for key type ${key.type.name}`)
  return key
}

function encryptOne(key: TransitKey, fields: Fields): JsonObject {
  if (!fields.has('plaintext')) throw refuse(400, 'missing plaintext to encrypt')
  const context = contextOf(key, fields)
  const plaintext = decoded(fields.text('plaintext'), reason => reason)
  const { ciphertext, version } = encrypt(key, plaintext, context, fields.integer('key_version'))
  return { ciphertext, key_version: version }
}

function decryptOne(key: TransitKey, fields: Fields): JsonObject {
  const ciphertext = fields.text('ciphertext')
  if (ciphertext === '') throw refuse(400, 'missing ciphertext to decrypt')
  return { plaintext: decrypt(key, ciphertext, contextOf(key, fields)).toString('base64') }
}

function rewrapOne(key: TransitKey, fields: Fields): JsonObject {
  const old = fields.text('ciphertext')
  if (old === '') throw refuse(400, 'missing ciphertext to decrypt')
  const context = contextOf(key, fields)
  const { ciphertext, version } = encrypt(key, decrypt(key, old, context), context, fields.integer('key_version'))
  return { ciphertext, key_version: version }
}

function work(key: TransitKey, call: Call, one: Work): Answer {
  const batch = call.fields.raw('batch_input')
  if (batch === undefined || batch === null) return { data: one(key, call.fields) }
  if (!Array.isArray(batch) || batch.length === 0) throw refuse(400, 'missing batch input to process')
  return { data: { batch_results: batch.map(item => oneOfBatch(key, item, one)) } }
}

/** What goes wrong with one item is said at its place and spoils no other. */
function oneOfBatch(key: TransitKey, item: unknown, one: Work): JsonObject {
  if (!isObject(item)) return { error: 'not an object' }
  try {
    return one(key, new Fields(item))
  } catch (error) {
    if (error instanceof VaultError) return { error: error.errors[0] ?? '' }
    throw error
  }
}
