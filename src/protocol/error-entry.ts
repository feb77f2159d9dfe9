/**
 * - `http`: the HTTP status of the answer
 * - `status`: the text that GoStint's clients expect in the `status` field (gostint.md §2.3)
 * - `cause`: what happened, for whoever reads the answer; never holds a value of the request
 * - `remedy`: what to do next
 */
export interface ErrorEntry {
  readonly http: number
  readonly status: string
  readonly cause: string
  readonly remedy: string
}

export const INVALID_REQUEST = { http: 400, status: 'Invalid request.' }
export const INVALID_JOB = { http: 400, status: 'Invalid job request.' }
export const DENIED = { http: 403, status: 'Permission Denied.' }
export const NOT_FOUND = { http: 404, status: 'Not Found.' }
export const INTERNAL = { http: 500, status: 'Internal Error.' }
export const UNAVAILABLE = { http: 503, status: 'Unavailable.' }
