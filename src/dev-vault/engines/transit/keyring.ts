import type { Clock } from '../../clock.ts'
import { fail, refuse } from '../../errors.ts'
import type { Fields } from '../../fields.ts'
import { newVersion, type TransitKey } from './key.ts'
import { DEFAULT_TYPE, keyType } from './key-types.ts'

/** The keys of one mount. */
export class Keyring {
  readonly #clock: Clock
  readonly #keys = new Map<string, TransitKey>()
  /** Keys under way, so that two first encryptions at once do not make two keys. */
  readonly #making = new Map<string, Promise<TransitKey>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  names(): string[] {
    return [...this.#keys.keys()].sort()
  }

  find(name: string): TransitKey | undefined {
    return this.#keys.get(name)
  }

  /** @throws VaultError */
  need(name: string): TransitKey {
    const key = this.#keys.get(name)
    if (!key) throw refuse(400, 'encryption key not found')
    return key
  }

  set(key: TransitKey): void {
    this.#keys.set(key.name, key)
  }

  /** The key of this name; made as the fields say when there is none. @throws VaultError */
  async open(name: string, fields: Fields): Promise<TransitKey> {
    const known = this.#keys.get(name)
    if (known) return known
    const making = this.#making.get(name) ?? this.#make(name, fields).finally(() => this.#making.delete(name))
    this.#making.set(name, making)
    return await making
  }

  async #make(name: string, fields: Fields): Promise<TransitKey> {
    const type = keyType(fields.text('type') || DEFAULT_TYPE)
    if (!type) throw refuse(400, `unknown key type ${fields.text('type')}`)
    const convergent = fields.flag('convergent_encryption')
    const derived = fields.flag('derived')
    if (convergent && !derived) throw refuse(400, 'convergent encryption requires derivation to be enabled')
    if (derived && !type.derives) {
      throw fail(400, `key derivation and convergent encryption not supported for keys of type ${type.name}`)
    }
    const key: TransitKey = {
      name,
      type,
      derived,
      convergent,
      versions: new Map([[1, await newVersion(type, this.#clock.now())]]),
      latest: 1,
      minDecryption: 1,
      minEncryption: 0,
      minAvailable: 0,
      exportable: fields.flag('exportable'),
      plaintextBackup: fields.flag('allow_plaintext_backup'),
      deletionAllowed: false,
    }
    this.#keys.set(name, key)
    return key
  }

  async rotate(key: TransitKey): Promise<void> {
    const version = await newVersion(key.type, this.#clock.now())
    key.versions.set(++key.latest, version)
  }

  delete(key: TransitKey): void {
    this.#keys.delete(key.name)
  }
}
