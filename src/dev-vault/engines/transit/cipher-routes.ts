import { randomBytes } from 'node:crypto'
import { refuse } from '../../errors.ts'
import type { Fields } from '../../fields.ts'
import type { Answer, Call, Route } from '../../routing/backend.ts'
import type { JsonObject } from '../../text/json.ts'
import { batched } from './batch.ts'
import { decrypt, encrypt } from './cipher.ts'
import { contextOf, decoded } from './context.ts'
import type { TransitKey } from './key.ts'
import type { Keyring } from './keyring.ts'

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
        return batched(call, fields => encryptOne(key, fields))
      },
    },
    {
      path: 'decrypt/:name',
      help: 'Decrypts.',
      write: call => {
        const key = decryptingKey(keys, nameOf(call))
        return batched(call, fields => decryptOne(key, fields))
      },
    },
    {
      path: 'rewrap/:name',
      help: 'Encrypts with the latest version what an older one has encrypted.',
      write: call => {
        const key = decryptingKey(keys, nameOf(call))
        return batched(call, fields => rewrapOne(key, fields))
      },
    },
    {
      path: 'datakey/:kind/:name',
      help: 'Makes a data key; gives it encrypted, and in clear as well when asked for the plaintext.',
      write: call => dataKey(keys, call),
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

function dataKey(keys: Keyring, { fields, params }: Call): Answer {
  if (params.kind !== 'plaintext' && params.kind !== 'wrapped') {
    throw refuse(400, "Invalid path, must be 'plaintext' or 'wrapped'")
  }
  const key = keys.need(params.name as string)
  if (!key.type.encrypts) throw refuse(400, `message encryption not supported for key type ${key.type.name}`)
  const bits = fields.integer('bits', 256)
  if (![128, 256, 512].includes(bits)) throw refuse(400, 'invalid bit length')
  const plaintext = randomBytes(bits / 8)
  const { ciphertext, version } = encrypt(key, plaintext, contextOf(key, fields), fields.integer('key_version'))
  const shown = params.kind === 'plaintext' ? { plaintext: plaintext.toString('base64') } : {}
  return { data: { ciphertext, key_version: version, ...shown } }
}
