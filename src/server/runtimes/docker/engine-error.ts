import { type ErrorCode, WritError } from '../../../protocol/errors.ts'

const DETAIL_LENGTH = 300

/**
 * The engine answered, with a refusal. Never leaves this folder: every caller says which code of the registry it means.
 */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly status: number

  constructor(status: number, text: string) {
    super(text)
    this.status = status
  }
}

/** A refusal of the engine as `code`; anything else (no engine, an abort) passes as it is. */
export function refusal(error: unknown, code: ErrorCode): unknown {
  return error instanceof EngineError ? new WritError(code, engineText(error.message), { cause: error }) : error
}

/** Podman answers 500 while a container is being removed. */
export function isGone(error: unknown): boolean {
  if (!(error instanceof EngineError)) return false
  return error.status === 404 || (error.status === 500 && /no such container$/.test(error.message))
}

/** Podman answers a name that is taken with 500. */
export function nameIsTaken(error: unknown): boolean {
  return error instanceof EngineError && (error.status === 409 || /name .* is already in use/.test(error.message))
}

/** One printable line: the engine repeats text of images and registries, which may hold escape codes for terminals. */
export function engineText(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, DETAIL_LENGTH)
}
