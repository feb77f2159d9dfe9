import { WritError } from '../../protocol/errors.ts'
import { isVaultError } from '../../vault/error.ts'
import type { Secret } from '../../vault/secret.ts'
import { revokeSelf } from '../../vault/token.ts'
import { decrypt } from '../../vault/transit.ts'
import { asUnavailable } from './caller.ts'
import type { Engine } from './engine.ts'

/**
 * Takes the ciphertext out of the envelope's cubbyhole, which can be done once, and burns the token that opened it; `burnt` says when.
 * Throws `envelope_opened`, `envelope_empty`, `envelope_path`.
 */
export async function takeCiphertext(
  engine: Engine,
  envelope: { cubbyToken: Secret; cubbyPath: string },
  signal?: AbortSignal,
): Promise<{ ciphertext: string; burnt: Promise<void> }> {
  const { cubbyToken, cubbyPath } = envelope
  // The attack: with a free path, a caller makes the server read whatever the token that he sends along may read
  if (!/^cubbyhole\/[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/.test(cubbyPath)) throw new WritError('envelope_path')
  // GoStint's own client asks for a use limit by a name that Vault ignores, so its tokens would open the envelope again
  const burn = () =>
    revokeSelf(engine.vault, cubbyToken, signal).catch(error => {
      engine.log.warn({ err: error }, 'the token of a cubbyhole was not revoked')
    })
  let payload: unknown
  try {
    payload = (await engine.vault.send({ method: 'GET', path: cubbyPath, token: cubbyToken, signal }))?.data?.payload
    if (typeof payload !== 'string' || payload === '') throw new WritError('envelope_empty')
  } catch (error) {
    await burn()
    if (isVaultError(error, 'not_found')) throw new WritError('envelope_empty', undefined, { cause: error })
    if (isVaultError(error, 'denied', 'invalid')) throw new WritError('envelope_opened', undefined, { cause: error })
    throw asUnavailable(error)
  }
  return { ciphertext: payload, burnt: burn() }
}

/** Opens the ciphertext with the job's own authority. Throws `envelope_tampered`, `envelope_not_a_job`. */
export async function openEnvelope(
  engine: Engine,
  ciphertext: string,
  jobToken: Secret,
  signal?: AbortSignal,
): Promise<unknown> {
  let plain: Buffer | undefined
  try {
    ;[plain] = await decrypt(engine.vault, jobToken, engine.settings.jobRole, [ciphertext], signal)
  } catch (error) {
    // Vault 1.8 says 500 where the ciphertext is well-formed and its authentication fails (contract transit-encrypt-decrypt)
    const refused = isVaultError(error, 'denied', 'invalid') || (isVaultError(error) && error.status === 500)
    if (refused) throw new WritError('envelope_tampered', undefined, { cause: error })
    throw asUnavailable(error)
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(plain))
  } catch {
    // neither the text nor the parser's message goes on: both quote the content
    throw new WritError('envelope_not_a_job')
  }
}
