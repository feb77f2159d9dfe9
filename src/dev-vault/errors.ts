/**
 * An answer that is an error: a status and texts. Vault's errors come in two dresses, and clients match on both:
 * bare texts, and texts that went through Go's multierror (`1 error occurred:\n\t* text\n\n`).
 */
export class VaultError extends Error {
  readonly status: number
  readonly errors: readonly string[]
  readonly data: Record<string, unknown> | undefined

  constructor(status: number, errors: readonly string[], data?: Record<string, unknown>) {
    super(errors.join('; '))
    this.status = status
    this.errors = errors
    this.data = data
  }
}

/** A refusal with its bare text. */
export function refuse(status: number, text: string): VaultError {
  return new VaultError(status, [text])
}

/** An error that Vault reports through multierror. On a login path the text stays bare. */
export class WrappedError extends VaultError {
  readonly text: string

  constructor(status: number, text: string) {
    super(status, [`1 error occurred:\n\t* ${text}\n\n`])
    this.text = text
  }
}

export function fail(status: number, text: string): WrappedError {
  return new WrappedError(status, text)
}

/** Nothing there: `404 {"errors":[]}`. */
export function notFound(): VaultError {
  return new VaultError(404, [])
}

export const permissionDenied = (): WrappedError => fail(403, 'permission denied')
export const unsupportedPath = (): WrappedError => fail(404, 'unsupported path')
export const unsupportedOperation = (): WrappedError => fail(405, 'unsupported operation')
