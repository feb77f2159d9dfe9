import { RequestError } from '../../client/error.ts'

/** What this client needs to know of a job (gostint.md §16.5): less than writ's own answer, so that GoStint's server will do. */
export interface JobStatus {
  readonly id: string
  readonly status: string
  readonly output: string
  readonly returnCode: number
}

/** A job in one of these goes on. GoStint's own client left at `stopping`, with an exit code that was not the job's. */
const LIVE = new Set(['queued', 'running', 'stopping'])

export function isLive({ status }: JobStatus): boolean {
  return LIVE.has(status)
}

/** Reads the answer to a submission or to a question; nothing and null count as empty. Throws `RequestError`. */
export function readStatus(answer: unknown): JobStatus {
  const fields = Object(answer) as Record<string, unknown>
  const { _id: id, status, output, return_code: returnCode } = fields
  if (typeof id !== 'string' || id === '' || typeof status !== 'string' || status === '') throw notAJob()
  const code = returnCode ?? 0
  const text = output ?? ''
  if (typeof text !== 'string' || typeof code !== 'number' || !Number.isInteger(code)) throw notAJob()
  return { id, status, output: text, returnCode: code }
}

/** Fields that a courier added and the server did not honour; GoStint's server does not say. */
export function ignoredFields(answer: unknown): string[] {
  const { ignored_fields: names } = Object(answer) as Record<string, unknown>
  return Array.isArray(names) ? names.map(String) : []
}

function notAJob(): RequestError {
  return new RequestError({
    status: 200,
    code: 'not_a_job',
    message: 'the answer of the server is not a job',
    remedy: 'Check that -url is the address of the server: the part before /v1/api.',
  })
}
