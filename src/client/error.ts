/** A request that the server, or a courier on the way, did not fulfil. `code` is one of docs/errors.md, or `unreachable`. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** HTTP status, 0 when there was no answer. */
  readonly status: number
  readonly code: string
  /** What to do next, in the server's words. */
  readonly remedy: string

  constructor(fields: { status: number; code: string; message: string; remedy?: string }) {
    super(fields.message)
    this.status = fields.status
    this.code = fields.code
    this.remedy = fields.remedy ?? ''
  }

  static from(status: number, body: unknown): RequestError {
    const { error, status: state, code, remedy } = Object(body) as Record<string, unknown>
    // GoStint's server says nothing but the state when it has no reason (gostint.md §2.3)
    const message = [error, state].find(text => typeof text === 'string' && text !== '') as string | undefined
    return new RequestError({
      status,
      code: typeof code === 'string' ? code : `http_${status}`,
      message: message ?? `HTTP ${status}`,
      remedy: typeof remedy === 'string' ? remedy : 'Check that this is the address of a writ server.',
    })
  }
}

/** What a submission ends with whose client was closed meanwhile: if it was on its way already, nobody here knows whether it arrived. */
export class ClientClosed extends Error {
  override readonly name = 'ClientClosed'
  constructor() {
    super('the client was closed before there was an answer')
  }
}
