import { createPublicKey } from 'node:crypto'
import { rfc3339 } from '../../clock.ts'
import { notFound, refuse } from '../../errors.ts'
import type { Call, Route } from '../../routing/backend.ts'
import type { JsonObject } from '../../text/json.ts'
import { contextOf } from './context.ts'
import { type KeyVersion, signingKey, type TransitKey } from './key.ts'
import type { Keyring } from './keyring.ts'

/** Keys made, read, configured, rotated and deleted. */
export function keyRoutes(keys: Keyring): Route[] {
  const nameOf = (call: Call) => call.params.name as string
  return [
    { path: 'keys', help: 'Lists the keys.', list: () => ({ data: { keys: keys.names() } }) },
    {
      path: 'keys/:name',
      help: 'Makes, reads or deletes a key.',
      read: call => {
        const key = keys.find(nameOf(call))
        if (!key) throw notFound()
        return { data: showKey(key, call) }
      },
      write: async call => {
        await keys.open(nameOf(call), call.fields)
        return undefined
      },
      delete: call => {
        const key = keys.find(nameOf(call))
        const wrong = key ? 'deletion is not allowed for this key' : 'could not delete key; not found'
        if (!key?.deletionAllowed) throw refuse(400, `error deleting policy ${nameOf(call)}: ${wrong}`)
        keys.delete(key)
        return undefined
      },
    },
    {
      path: 'keys/:name/rotate',
      help: 'Adds a version to a key.',
      write: async call => {
        const key = keys.find(nameOf(call))
        if (!key) throw refuse(400, 'key not found')
        await keys.rotate(key)
        return undefined
      },
    },
    {
      path: 'keys/:name/config',
      help: 'Sets which versions of a key may be used, and what may be done with it.',
      write: call => {
        const key = keys.find(nameOf(call))
        if (!key) throw refuse(400, `no existing key named ${nameOf(call)} could be found`)
        configure(key, call)
        return undefined
      },
    },
    {
      path: 'keys/:name/trim',
      help: 'Drops the oldest versions of a key.',
      write: call => {
        const key = keys.find(nameOf(call))
        if (!key) throw refuse(400, 'key not found')
        trim(key, call.fields.integer('min_available_version'))
        return undefined
      },
    },
  ]
}

function configure(key: TransitKey, { fields }: Call): void {
  const minDecryption = fields.integer('min_decryption_version', key.minDecryption) || 1
  const minEncryption = fields.integer('min_encryption_version', key.minEncryption)
  if (minDecryption < 0 || minEncryption < 0) throw refuse(400, 'min decryption version cannot be negative')
  if (minDecryption > key.latest) {
    throw refuse(400, `cannot set min decryption version of ${minDecryption}, latest key version is ${key.latest}`)
  }
  if (minEncryption > key.latest) {
    throw refuse(400, `cannot set min encryption version of ${minEncryption}, latest key version is ${key.latest}`)
  }
  if (minEncryption > 0 && minEncryption < minDecryption) {
    throw refuse(
      400,
      `cannot set min encryption/decryption values; min encryption version must be greater than or equal to min decryption version`,
    )
  }
  key.minDecryption = minDecryption
  key.minEncryption = minEncryption
  key.deletionAllowed = fields.flag('deletion_allowed', key.deletionAllowed)
  // Once set they stay: what has been shown cannot be unseen.
  key.exportable ||= fields.flag('exportable')
  key.plaintextBackup ||= fields.flag('allow_plaintext_backup')
}

function trim(key: TransitKey, oldest: number): void {
  if (oldest <= 0) throw refuse(400, 'missing min_available_version')
  if (key.minEncryption === 0)
    throw refuse(400, 'minimum available version cannot be set when minimum encryption version is not set')
  if (oldest > key.minDecryption || oldest > key.minEncryption) {
    throw refuse(400, `minimum available version cannot be set higher than minimum encryption/decryption version`)
  }
  key.minAvailable = oldest
  for (const number of key.versions.keys()) if (number < oldest) key.versions.delete(number)
}

function showKey(key: TransitKey, call: Call): JsonObject {
  const { type } = key
  const usable = [...key.versions].filter(([number]) => number >= key.minDecryption)
  return {
    allow_plaintext_backup: key.plaintextBackup,
    ...(key.derived || key.convergent ? { convergent_encryption: key.convergent } : {}),
    ...(key.convergent && { convergent_encryption_version: -1 }),
    deletion_allowed: key.deletionAllowed,
    derived: key.derived,
    exportable: key.exportable,
    ...(key.derived && { kdf: 'hkdf_sha256' }),
    keys: Object.fromEntries(
      usable.map(([number, version]) => [number, showVersion(key, version, call)]),
    ) as JsonObject,
    latest_version: key.latest,
    min_available_version: key.minAvailable,
    min_decryption_version: key.minDecryption,
    min_encryption_version: key.minEncryption,
    name: key.name,
    supports_decryption: type.encrypts,
    supports_derivation: type.derives,
    supports_encryption: type.encrypts,
    supports_signing: type.signs,
    type: type.name,
  }
}

/** A symmetric key shows when it was made, an asymmetric one its public half. */
function showVersion(key: TransitKey, version: KeyVersion, call: Call): unknown {
  if (!key.type.signs) return Math.trunc(version.createdAt / 1000)
  const named = { creation_time: rfc3339(version.createdAt), name: key.type.curve?.name ?? key.type.name }
  if (key.derived && !call.fields.has('context')) return { ...named, public_key: '' }
  const context = key.derived ? contextOf(key, call.fields) : Buffer.alloc(0)
  return { ...named, public_key: publicKey(key, version, context) }
}

/** PEM, or the 32 bytes of an ed25519 key in base64. */
export function publicKey(key: TransitKey, version: KeyVersion, context: Buffer): string {
  const half = createPublicKey(signingKey(key, version, context))
  if (key.type.family !== 'ed25519') return half.export({ type: 'spki', format: 'pem' })
  return half.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')
}
