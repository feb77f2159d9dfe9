/** What a refusal by Vault means to us; decided once here, so that no caller compares status numbers. */
export type VaultErrorKind =
  /** 400: Vault understood and refuses the request itself. */
  | 'invalid'
  /** 403: the token is bad, or its policies do not allow this. */
  | 'denied'
  /** 404: nothing there. */
  | 'not_found'
  /** No answer, or an answer that says nothing about the request: down, sealed, standby, overloaded, not Vault at all. */
  | 'unavailable'

/** More than Vault says. The attack: the Vault of a watch, which is anybody's, refuses with 64 MB of words, a line of the log each time. */
const MOST_ERRORS = 16
const LONGEST_ERROR = 2_048

/** A request that Vault did not fulfil. `errors` are Vault's own texts: they may quote paths, never tokens. */
export class VaultError extends Error {
  override readonly name = 'VaultError'
  readonly kind: VaultErrorKind
  /** HTTP status, 0 when there was no answer. */
  readonly status: number
  readonly path: string
  readonly errors: readonly string[]
  /** Found out here, and not said by Vault. */
  readonly ours: boolean

  constructor(fields: { status: number; path: string; errors: readonly string[]; ours?: boolean; cause?: unknown }) {
    const errors = fields.errors.slice(0, MOST_ERRORS).map(error => error.slice(0, LONGEST_ERROR))
    const text = errors.join('; ') || 'no reason given'
    const who = fields.ours ? '' : `Vault ${fields.status || 'did not answer'} on `
    super(`${who}${fields.path}: ${text}`, { cause: fields.cause })
    this.ours = fields.ours ?? false
    this.kind = kindOf(fields.status, errors)
    this.status = fields.status
    this.path = fields.path
    this.errors = errors
  }
}

function kindOf(status: number, errors: readonly string[]): VaultErrorKind {
  if (status === 400) {
    // Vault 1.8 answers 400 instead of 403 when a wrapping token is spent or unknown (contract: wrap-unwrap)
    return errors.some(text => text.includes('wrapping token is not valid')) ? 'denied' : 'invalid'
  }
  if (status === 403) return 'denied'
  if (status === 404) return 'not_found'
  if (status >= 405 && status < 500 && status !== 412 && status !== 429 && status < 470) return 'invalid'
  return 'unavailable'
}

export function isVaultError(error: unknown, ...kinds: VaultErrorKind[]): error is VaultError {
  return error instanceof VaultError && (kinds.length === 0 || kinds.includes(error.kind))
}

/** Reads a part of an answer; one that is not as it should be is no answer of Vault, and says nothing about the request. */
export function understood<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new VaultError({ status: 0, path, errors: [error.message] })
  }
}

/** What is refused without Vault's saying so, as it would refuse a mistake in a request. */
export function refusedHere(path: string, reason: string): VaultError {
  return new VaultError({ status: 400, path, errors: [reason], ours: true })
}

/**
 * `403: permission denied`: status and Vault's own texts in one line, as vault-gatekeeper says them (gatekeeper.md §6.4); what Vault did
 * not say is without a status there.
 */
export function shortReason({ status, errors, ours }: VaultError): string {
  if (ours) return errors.join(', ')
  const lines = errors.map(text =>
    text
      .replace(/^\d+ errors? occurred:\s*\* */, '')
      .replace(/\s+/g, ' ')
      .trim(),
  )
  return `${status}: ${lines.join(', ')}`
}
