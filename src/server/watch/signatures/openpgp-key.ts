import type { Key, KeyID, PublicKey } from 'openpgp'
import { NotASignature } from './armor.ts'
import { findRevocations, type Revocations } from './openpgp-revocations.ts'

/** 50 ms and 17 MB: only where a watch has OpenPGP keys. */
export const openpgp = async () => await import('openpgp')

const BLOCK = /-----BEGIN PGP ([A-Z ]+)-----[\s\S]*?-----END PGP \1-----/g

/** A trusted OpenPGP key, parsed once. */
export class OpenPgpKey {
  readonly key: PublicKey
  readonly fingerprint: string
  /** Of the primary key and of all subkeys: two people whose keys share one are one person. */
  readonly fingerprints: readonly string[]
  readonly #revocations: Revocations

  constructor(key: PublicKey, revocations: Revocations) {
    this.key = key
    this.fingerprint = key.getFingerprint().toUpperCase()
    this.fingerprints = key.getKeys().map(part => part.getFingerprint().toUpperCase())
    this.#revocations = revocations
  }

  /** Throws unless this part of the key, or any part without an id, may sign at that moment. */
  async checkUsable(now: Date, id?: KeyID): Promise<void> {
    if (this.#revocations.primary) throw new NotASignature('the key is revoked')
    // The library leaves this curve to a module that may or may not be there.
    if (this.key.getKeys().some(part => part.getAlgorithmInfo().curve === 'secp256k1')) {
      throw new NotASignature('a curve that is not accepted')
    }
    const part = await this.key.getSigningKey(id, now)
    const place = this.key.subkeys.findIndex(subkey => subkey.getFingerprint() === part.getFingerprint())
    if (place >= 0 && this.#revocations.subkeys.has(place)) {
      if (id || !(await this.#anotherPart(now, place))) throw new NotASignature('the subkey is revoked')
    }
  }

  async #anotherPart(now: Date, besides: number): Promise<boolean> {
    const parts = this.key.subkeys.filter((_, place) => place !== besides && !this.#revocations.subkeys.has(place))
    for (const part of [...parts, this.key]) {
      const works = this.key.getSigningKey(part.getKeyID(), now).then(
        () => true,
        () => false,
      )
      if (await works) return true
    }
    return false
  }
}

/** All keys in the armoured blocks of a text, and what is outside of them. `NotASignature` if one cannot be read. */
export async function readOpenPgpKeys(text: string): Promise<{ keys: OpenPgpKey[]; rest: string }> {
  const keys: OpenPgpKey[] = []
  for (const [block, kind] of text.matchAll(BLOCK)) {
    if (kind !== 'PUBLIC KEY BLOCK')
      throw new NotASignature(kind?.includes('PRIVATE') ? 'a private key' : 'no public key')
    keys.push(...(await readBlock(block)))
  }
  return { keys, rest: text.replaceAll(BLOCK, '') }
}

async function readBlock(block: string): Promise<OpenPgpKey[]> {
  const { readKeys, unarmor } = await openpgp()
  const { data } = await unarmor(block)
  const bytes = data as Uint8Array
  const revocations = findRevocations(bytes)
  const keys: Key[] = await readKeys({ binaryKeys: bytes })
  if (keys.length === 0 || keys.length !== revocations.length) throw new NotASignature('not all keys of it can be read')
  return keys.map((key, at) => {
    if (key.isPrivate()) throw new NotASignature('a private key')
    return new OpenPgpKey(key as PublicKey, revocations[at] as Revocations)
  })
}
