import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { fail, notFound, refuse } from '../../errors.ts'
import type { Answer, Call, Route } from '../../routing/backend.ts'
import { isObject, type JsonObject, parseJson } from '../../text/json.ts'
import { decoded } from './context.ts'
import { type KeyVersion, signingKey, type TransitKey } from './key.ts'
import { keyType } from './key-types.ts'
import type { Keyring } from './keyring.ts'

/** Keys in clear, of those that allow it: exported, backed up and restored. */
export function exportRoutes(keys: Keyring): Route[] {
  const nameOf = (call: Call) => call.params.name as string
  const give = (call: Call): Answer => {
    const kind = call.params.kind as string
    if (!KINDS.includes(kind)) throw refuse(400, `invalid export type: ${kind}`)
    const key = keys.find(nameOf(call))
    if (!key) throw notFound()
    if (!key.exportable) throw refuse(400, 'key is not exportable')
    if (kind === 'signing-key' && !key.type.signs) throw refuse(400, 'signing not supported for the key')
    if (kind === 'encryption-key' && !key.type.encrypts) throw refuse(400, 'encryption not supported for the key')
    const versions = chosen(key, call.params.version)
    const shown = versions.map(([number, version]) => [number, exported(key, version, kind)])
    return { data: { keys: Object.fromEntries(shown) as JsonObject, name: key.name, type: key.type.name } }
  }
  const restore = (call: Call, name: string): undefined => {
    const key = readBackup(decoded(call.fields.text('backup'), reason => reason).toString(), name)
    if (keys.find(key.name) && !call.fields.flag('force'))
      throw fail(400, `key ${JSON.stringify(key.name)} already exists`)
    keys.set(key)
  }
  return [
    { path: 'export/:kind/:name', help: 'Exports a key.', read: give },
    { path: 'export/:kind/:name/:version', help: 'Exports a version of a key.', read: give },
    {
      path: 'backup/:name',
      help: 'Backs a key up, in clear.',
      read: call => {
        const key = keys.find(nameOf(call))
        if (!key) throw notFound()
        if (!key.exportable) throw fail(400, 'exporting is disallowed on the policy')
        if (!key.plaintextBackup) throw fail(400, 'plaintext backup is disallowed on the policy')
        return { data: { backup: Buffer.from(JSON.stringify(writeBackup(key))).toString('base64') } }
      },
    },
    { path: 'restore', help: 'Restores a key.', write: call => restore(call, '') },
    { path: 'restore/:name', help: 'Restores a key under another name.', write: call => restore(call, nameOf(call)) },
  ]
}

const KINDS = ['encryption-key', 'signing-key', 'hmac-key']

function chosen(key: TransitKey, wanted: string | undefined): [number, KeyVersion][] {
  const usable = [...key.versions].filter(([number]) => number >= key.minDecryption)
  if (wanted === undefined) return usable
  const number = wanted === 'latest' ? key.latest : Number(wanted)
  if (!Number.isInteger(number)) throw refuse(400, 'invalid key version')
  const found = usable.filter(([version]) => version === number)
  if (found.length === 0) throw refuse(400, 'version does not exist or cannot be found')
  return found
}

function exported(key: TransitKey, version: KeyVersion, kind: string): string {
  if (kind === 'hmac-key') return version.hmacKey.toString('base64')
  const { secret } = version
  if (key.type.family === 'rsa') return (secret as KeyObject).export({ type: 'pkcs1', format: 'pem' })
  if (key.type.family === 'ecdsa') return (secret as KeyObject).export({ type: 'sec1', format: 'pem' })
  if (key.type.family !== 'ed25519' || key.derived) return (secret as Buffer).toString('base64')
  // Go's form of an ed25519 private key: the seed, then the public key.
  const half = createPublicKey(signingKey(key, version, Buffer.alloc(0))).export({ type: 'spki', format: 'der' })
  return Buffer.concat([secret as Buffer, half.subarray(-32)]).toString('base64')
}

function writeBackup(key: TransitKey): JsonObject {
  const versions = [...key.versions].map(([number, version]) => ({
    number,
    created_at: version.createdAt,
    secret: Buffer.isBuffer(version.secret)
      ? version.secret.toString('base64')
      : version.secret.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    hmac_key: version.hmacKey.toString('base64'),
  }))
  return { ...key, type: key.type.name, versions }
}

function readBackup(text: string, name: string): TransitKey {
  let backup: unknown
  try {
    backup = parseJson(text)
  } catch {
    throw refuse(400, 'backup is not readable')
  }
  const type = isObject(backup) ? keyType(String(backup.type)) : undefined
  if (!isObject(backup) || !type || !Array.isArray(backup.versions)) throw refuse(400, 'backup is not readable')
  const fields = backup as unknown as TransitKey
  const versions = new Map(backup.versions.map(version => readVersion(version, type.family)))
  return { ...fields, type, name: name || fields.name, versions }
}

function readVersion(version: unknown, family: string): [number, KeyVersion] {
  if (!isObject(version)) throw refuse(400, 'backup is not readable')
  const secret = Buffer.from(String(version.secret), 'base64')
  const asymmetric = family === 'rsa' || family === 'ecdsa'
  return [
    Number(version.number),
    {
      createdAt: Number(version.created_at),
      secret: asymmetric ? createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' }) : secret,
      hmacKey: Buffer.from(String(version.hmac_key), 'base64'),
    },
  ]
}
