import { WritError } from '../../protocol/errors.ts'
import { isVaultError } from '../../vault/error.ts'
import { decrypt, encrypt } from '../../vault/transit.ts'
import { asUnavailable } from './caller.ts'
import type { Engine } from './engine.ts'

/** Encrypts what must wait in the database under the server's own transit key: there is no other way in (promise 1). */
export async function seal(engine: Engine, texts: readonly string[], signal?: AbortSignal): Promise<string[]> {
  try {
    const plain = texts.map(text => Buffer.from(text, 'utf8'))
    return await encrypt(engine.vault, engine.identity.token(), engine.settings.serverKey, plain, signal)
  } catch (error) {
    throw asServerTrouble(engine, error)
  }
}

/** Opens what `seal` made, in the same order. */
export async function unseal(engine: Engine, sealed: readonly string[], signal?: AbortSignal): Promise<string[]> {
  try {
    const plain = await decrypt(engine.vault, engine.identity.token(), engine.settings.serverKey, sealed, signal)
    return plain.map(bytes => bytes.toString('utf8'))
  } catch (error) {
    // the wrong key is a 400, or in Vault 1.8 a 500 that says so (contract transit-encrypt-decrypt); it will not get better
    const unreadable =
      isVaultError(error) && (error.status === 400 || /message authentication failed/.test(error.message))
    if (unreadable) throw new WritError('order_unreadable', undefined, { cause: error })
    throw asServerTrouble(engine, error)
  }
}

function asServerTrouble(engine: Engine, error: unknown): unknown {
  if (isVaultError(error, 'denied')) void engine.identity.doubt()
  if (isVaultError(error, 'denied', 'not_found', 'invalid')) {
    return new WritError('server_sealed', "Vault refuses the server's own key; `writ vault-setup` makes it", {
      cause: error,
    })
  }
  return asUnavailable(error)
}
