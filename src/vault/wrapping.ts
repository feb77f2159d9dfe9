import type { Vault } from './client.ts'
import { understood, VaultError } from './error.ts'
import { number, text, type VaultResponse } from './response.ts'
import type { Secret } from './secret.ts'

export interface WrapFacts {
  /** The path whose answer was wrapped. A forged wrap shows another one. */
  readonly creationPath: string
  /** Seconds that it was made for, not what is left. */
  readonly ttl: number
}

/** Looks at a wrapping token without spending it (`sys/wrapping/lookup`); needs no token of one's own. */
export async function lookupWrap(vault: Vault, wrap: Secret, signal?: AbortSignal): Promise<WrapFacts> {
  const path = 'sys/wrapping/lookup'
  const answer = await vault.send({ method: 'POST', path, token: null, body: { token: wrap.reveal() }, signal })
  const data = answer?.data
  if (!data) throw new VaultError({ status: 0, path, errors: ['an answer without data'] })
  return understood(path, () => ({
    creationPath: text(data.creation_path, 'creation_path'),
    ttl: number(data.creation_ttl, 'creation_ttl'),
  }))
}

/** Opens a wrapping token; it can be done once. */
export async function unwrap(vault: Vault, wrap: Secret, signal?: AbortSignal): Promise<VaultResponse> {
  const path = 'sys/wrapping/unwrap'
  const answer = await vault.send({ method: 'POST', path, token: wrap, signal })
  if (!answer) throw new VaultError({ status: 0, path, errors: ['an empty answer'] })
  return answer
}
