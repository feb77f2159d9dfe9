import type { ErrorCode, WritError } from '../../../protocol/errors.ts'
import type { Wire } from './settings.ts'

/** A refusal as it goes over the wire: its HTTP status and its text. */
export interface Refusal {
  readonly http: number
  readonly text: string
}

type Spelling = readonly [http: number, text: string | null]

const TOO_OLD = 'This task has been running too long to request a token.'
const MAXIMUM = 'Maximum number of tokens given to this task.'

/** Refusals of `/token` in both versions (gatekeeper.md §2.6, §13.4); null is our own words. */
const TOKEN: Partial<Record<ErrorCode, { readonly v1: Spelling; readonly v2: Spelling }>> = {
  server_sealed: {
    v1: [503, 'Gatekeeper is sealed.'],
    v2: [503, 'Unable to provide token: Gatekeeper is sealed.'],
  },
  task_id_invalid: { v1: [403, 'No such task.'], v2: [401, 'Task not found.'] },
  task_not_found: { v1: [403, 'No such task.'], v2: [401, 'Task not found.'] },
  task_not_started: {
    v1: [403, 'This task does not have any statuses.'],
    v2: [403, 'This task does not have any statuses.'],
  },
  task_ended: { v1: [403, 'This task has ended.'], v2: [403, 'This task has ended.'] },
  task_foreign: {
    v1: [403, null],
    v2: [
      401,
      "The service's remote address requesting this token does not match the host of the service running this task.",
    ],
  },
  task_too_old: { v1: [403, TOO_OLD], v2: [403, TOO_OLD] },
  task_served: { v1: [403, 'This task has already been given a token.'], v2: [429, MAXIMUM] },
  task_pending: { v1: [503, null], v2: [503, null] },
  scheduler_unknown: { v1: [500, 'No supported provider has been configured.'], v2: [500, null] },
  scheduler_unavailable: { v1: [500, null], v2: [500, null] },
  scheduler_lied: { v1: [500, null], v2: [500, null] },
  policy_none: {
    v1: [403, "Your task doesn't match any configured policy."],
    v2: [500, "Your task doesn't match any configured policy."],
  },
  role_not_allowed: {
    v1: [403, 'Your task does not have permission to use this role.'],
    v2: [403, 'Your task does not have permission to use this role.'],
  },
  role_unknown: { v1: [403, 'The role requested does not exist.'], v2: [403, 'The role requested does not exist.'] },
  vault_unavailable: { v1: [500, null], v2: [500, null] },
  store_unavailable: { v1: [500, null], v2: [500, null] },
}

/** How a refusal of `/token` reads. */
export function tokenRefusal(error: WritError, wire: Wire): Refusal {
  if (error.code === 'body_not_json') return badJson(error, wire)
  if (error.code === 'token_not_made') return { http: 500, text: error.detail ?? error.message }
  if (error.code === 'task_served' && wire === 'v1' && error.detail) return { http: 403, text: MAXIMUM }
  if (error.code === 'scheduler_unknown' && wire === 'v2') {
    return { http: 500, text: `Provided scheduler '${error.detail ?? ''}' is not configured.` }
  }
  const [http, text] = TOKEN[error.code]?.[wire] ?? [error.entry.http, null]
  return { http, text: text ?? error.message }
}

/** How a refusal of `/unseal` reads. `method` is the name of the method in the answer. */
export function unsealRefusal(error: WritError, wire: Wire, method: string): Refusal {
  if (error.code === 'body_not_json') return badJson(error, wire)
  if (error.code === 'login_method_unknown') {
    if (error.detail) return { http: 400, text: error.detail }
    if (wire === 'v1') return { http: 400, text: 'Unknown method for authorization.' }
    return { http: 422, text: `Cannot unseal with unknown method: '${method}'` }
  }
  if (error.code === 'credential_in_url') return { http: 400, text: error.message }
  // an outage is not a wrong credential: vault-gatekeeper said 403 and 401 for both (gatekeeper.md §18.5.31)
  if (error.code === 'vault_unavailable') return { http: 503, text: error.message }
  if (error.entry.http === 429) return { http: 429, text: error.message }
  if (wire === 'v2') return { http: 401, text: `Unseal failed with the '${method}' method.` }
  return { http: 403, text: error.code === 'login_refused' ? (error.detail ?? error.message) : error.message }
}

/** How a refusal of `/policies/reload` or `/seal` reads. */
export function adminRefusal(error: WritError, wire: Wire): Refusal {
  if (error.code === 'server_sealed') {
    if (wire === 'v1') return { http: 503, text: 'Gatekeeper is sealed.' }
    return { http: 503, text: 'Failed to reload policies: gatekeeper is sealed.' }
  }
  return { http: error.entry.http, text: error.message }
}

function badJson(error: WritError, wire: Wire): Refusal {
  const reason = error.detail ?? 'EOF'
  return { http: 400, text: wire === 'v1' ? reason : `JSON body could not be decoded: ${reason}` }
}
