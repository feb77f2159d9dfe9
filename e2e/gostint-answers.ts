/** What GoStint answers (gostint.md §2), as data. */

export const NONE = 'f'.repeat(24)
const BAD_ID = 'Invalid job ID (not ObjectIdHex)'

/** What is asked, the HTTP status, `status`, and `error` where its text is known. */
type Exchange = [string, string, string | null, number, string, string | RegExp]
export const EXCHANGES: Exchange[] = [
  ['GET', '/v1/api/job/zzz', null, 400, 'Invalid job request.', BAD_ID],
  ['GET', `/v1/api/job/${NONE}0`, null, 400, 'Invalid job request.', BAD_ID],
  ['DELETE', '/v1/api/job/zzz', null, 400, 'Invalid job request.', BAD_ID],
  ['POST', '/v1/api/job/kill/zzz', null, 400, 'Invalid job request.', BAD_ID],
  ['GET', `/v1/api/job/${NONE}`, null, 404, 'Not Found.', 'not found'],
  ['DELETE', `/v1/api/job/${NONE}`, null, 404, 'Not Found.', 'not found'],
  ['POST', `/v1/api/job/kill/${NONE}`, null, 404, 'Not Found.', 'not found'],
  ['POST', '/v1/api/job', '', 400, 'Invalid job request.', 'EOF'],
  ['POST', '/v1/api/job', '{"qname": ', 400, 'Invalid job request.', /./],
  ['POST', '/v1/api/job', '{"qname": 7}', 400, 'Invalid job request.', /qname/],
  ['POST', '/v1/api/job', '{"run": "true"}', 400, 'Invalid job request.', /run/],
  ['POST', '/v1/api/job', '{}', 400, 'Invalid job request.', /wrapping token must be present/],
  ['POST', '/v1/api/job', 'null', 400, 'Invalid job request.', /./],
  ['GET', '/v1/api/health?k=', null, 400, 'Invalid request.', 'Invalid health metric key'],
  ['GET', '/v1/api/health?k=no', null, 400, 'Invalid request.', 'Invalid health metric key'],
]

/** Headers, and what every route of jobs answers to them. */
export const CALLERS: [string, string[], number, string, string | RegExp][] = [
  ['no token', [], 400, 'Invalid request.', 'Missing X-Auth-Token'],
  ['an empty token', ['x-auth-token', ''], 400, 'Invalid request.', 'Missing X-Auth-Token'],
  ['X-Secret-Token alone', ['x-secret-token', 'x'], 400, 'Invalid request.', 'Missing X-Auth-Token'],
  ['a token that Vault refuses', ['x-auth-token', 's.none'], 403, 'Permission Denied.', /./],
  ['the first of two refused', ['x-auth-token', 's.none', 'x-auth-token', 'root'], 403, 'Permission Denied.', /./],
]

/** The keys of a job, and their types. */
export const KEYS = {
  _id: 'string',
  status: 'string',
  node_uuid: 'string',
  qname: 'string',
  container_image: 'string',
  submitted: 'string',
  started: 'string',
  ended: 'string',
  output: 'string',
  stderr: 'string',
  return_code: 'number',
  tty: 'boolean',
}

const COUNTS = ['queued', 'running', 'notauthorised', 'stopping', 'success', 'failed', 'unknown']
const ENGINE = ['containers', 'containers_running', 'containers_paused', 'containers_stopped', 'images', 'mem_total']
/** What health counts. */
export const NUMBERS = ['all_jobs', ...COUNTS.map(state => `${state}_jobs`), ...ENGINE]
