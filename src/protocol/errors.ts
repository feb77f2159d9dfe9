import type { ErrorBody } from './error-body.ts'
import {
  DENIED,
  type ErrorEntry,
  INTERNAL,
  INVALID_JOB,
  INVALID_REQUEST,
  NOT_FOUND,
  UNAVAILABLE,
} from './error-entry.ts'
import { GATE_ERRORS } from './gate-errors.ts'
import { RUN_ERRORS } from './run-errors.ts'
import { WATCH_ERRORS } from './watch-errors.ts'

/**
 * Every error that writ can answer with: one entry each, here or in the file of a door. `docs/errors.md` is generated from it.
 */
export const ERRORS = {
  // callers
  token_missing: {
    ...INVALID_REQUEST,
    cause: 'Missing X-Auth-Token',
    remedy: 'Send a Vault token in X-Auth-Token. A token with nothing but the default policy is enough, and best.',
  },
  token_refused: {
    ...DENIED,
    cause: 'Vault does not accept the token in X-Auth-Token',
    remedy: 'Log in to Vault again, make a new token and retry. A token with a limited number of uses may be used up.',
  },
  not_permitted: {
    ...DENIED,
    cause: 'This job belongs to somebody else, and no policy of yours allows this',
    remedy:
      'Use the identity that submitted the job, or ask for `read`, `update` (kill) or `delete` on writ/queues/<qname> in Vault.',
  },

  queue_not_permitted: {
    ...DENIED,
    cause: 'No policy of yours allows to put jobs into this queue',
    remedy:
      'Ask for `create` on writ/queues/<qname> in Vault, and send a token that has it: the server asks for each job.',
  },
  image_not_permitted: {
    ...DENIED,
    cause: 'No policy of yours allows to run this image',
    remedy: 'Ask for `create` on writ/images/<registry>/<repository>:<tag> in Vault, and send a token that has it.',
  },

  // requests
  body_not_json: { ...INVALID_JOB, cause: 'The body is not JSON', remedy: 'Send one JSON object.' },
  // GoStint answers an empty body with this very word (gostint.md §2.1)
  body_empty: { ...INVALID_JOB, cause: 'EOF', remedy: 'The body is empty: send one JSON object.' },
  body_too_large: {
    http: 413,
    status: 'Invalid request.',
    cause: 'The body is larger than this server takes',
    remedy: 'Put large files into the image or fetch them in the job; the limit is WRIT_BODY_LIMIT.',
  },
  body_invalid: {
    ...INVALID_JOB,
    cause: 'A field of the request has the wrong type or form',
    remedy: 'Correct the field that is named; docs/submit.md lists all fields.',
  },
  query_invalid: {
    ...INVALID_REQUEST,
    cause: 'A query parameter has the wrong form',
    remedy: 'Correct the one named.',
  },
  idempotency_key_invalid: {
    ...INVALID_REQUEST,
    cause: 'Idempotency-Key is not a text of 1 to 255 printable ASCII characters without blanks',
    remedy: 'Send a random UUID, a new one for each job.',
  },
  idempotency_key_reused: {
    http: 422,
    status: 'Invalid request.',
    cause: 'This Idempotency-Key was sent before, with another body',
    remedy: 'A repetition sends the same body; another job takes another key.',
  },
  idempotency_key_busy: {
    http: 409,
    status: 'Invalid request.',
    cause: 'A submission with this Idempotency-Key is still under way',
    remedy: 'Repeat the request, with the same key and body, in a few seconds.',
  },
  health_key_invalid: {
    ...INVALID_REQUEST,
    cause: 'Invalid health metric key',
    remedy: 'GET /v1/api/health lists all keys.',
  },
  method_not_allowed: {
    http: 405,
    status: 'Method Not Allowed.',
    cause: 'This path does not take this method',
    remedy: 'The header Allow lists those that it takes; /v1/api/openapi.json describes them.',
  },
  too_many_requests: {
    http: 429,
    status: 'Too Many Requests.',
    cause: 'More requests than this server takes from one token or address',
    remedy: 'Wait as long as Retry-After says. The limits are WRIT_RATE_LIMIT and WRIT_RATE_LIMIT_OPEN.',
  },
  route_not_found: { ...NOT_FOUND, cause: 'No such path', remedy: 'See docs/api.md for the paths that there are.' },

  // jobs
  job_id_invalid: {
    ...INVALID_JOB,
    cause: 'Invalid job ID (not ObjectIdHex)',
    remedy: 'A job id is the 24 hexadecimal digits in _id of the answer to the submission.',
  },
  job_not_found: {
    ...NOT_FOUND,
    cause: 'not found',
    remedy:
      'Check the id; records are removed some time after their end. A job of somebody else looks the same, unless a policy on writ/queues/<qname> lets you read it.',
  },
  job_running: {
    ...INVALID_JOB,
    cause: 'cannot delete a running/stopping job',
    remedy: 'Kill it first, wait for its end, then delete it.',
  },
  image_missing: {
    ...INVALID_JOB,
    cause: 'image is empty',
    remedy: 'Name an image in container_image, or in gostint.yml of the content.',
  },
  secret_ref_invalid: {
    ...INVALID_JOB,
    cause: 'secret ref unparseable',
    remedy: 'Write NAME@path.key, for a KV version 2 mount NAME@mount/data/path.key.',
  },
  env_var_invalid: { ...INVALID_JOB, cause: 'An item of env_vars is not NAME=value', remedy: 'Write NAME=value.' },
  result_key_invalid: {
    ...INVALID_JOB,
    cause: 'result_key is not a list of age recipients, with at most one transit key among them',
    remedy: 'Give up to eight public keys (age1…), separated by commas: age-keygen -y shows that of an identity.',
  },
  duration_invalid: {
    ...INVALID_JOB,
    cause: 'This is no duration',
    remedy: 'Write it as 90s, 30m or 1h30m, or as a number of seconds.',
  },
  duration_too_long: {
    ...INVALID_JOB,
    cause: 'The job asks for more time than the administrator allows',
    remedy:
      'Ask for less, or have the maximum raised (WRIT_JOB_TIMEOUT_MAX, WRIT_QUEUE_TIMEOUT_MAX, WRIT_RETENTION_MAX).',
  },
  vault_token_invalid: {
    ...INVALID_JOB,
    cause: 'vault_token, vault_token_policies and vault_token_uses do not go together',
    remedy: 'For a narrower token set vault_token to child and name its policies; docs/submit.md has an example.',
  },
  vault_token_refused: {
    ...INVALID_JOB,
    cause: 'Vault does not make the narrower token that the job asks for',
    remedy: "Name only policies that the job role has, and let it 'update' auth/token/create without a limit of uses.",
  },
  content_invalid: {
    ...INVALID_JOB,
    cause: 'The content is not a gzipped tar as it should be',
    remedy: 'Send "targz," and the base64 of a .tar.gz.',
  },
  content_unsafe: {
    ...INVALID_JOB,
    cause: 'The content has an entry that is refused',
    remedy: 'Pack plain files, folders and links that stay inside; no devices, no "..", no absolute paths.',
  },
  content_too_large: {
    ...INVALID_JOB,
    cause: 'The content unpacks to more than is allowed',
    remedy: 'Put large files into the image or fetch them in the job.',
  },

  limit_refused: {
    ...INVALID_JOB,
    cause: 'The job asks for more, or less, than this server gives',
    remedy:
      'Ask for what is allowed, or for nothing; an administrator allows more with WRIT_MAX_JOB_MEMORY, _CPUS, _PIDS.',
  },
  network_refused: {
    ...INVALID_JOB,
    cause: 'The job asks for a network that this server does not allow',
    remedy: 'Use one that is allowed; an administrator allows more with WRIT_ALLOWED_NETWORKS.',
  },

  // authority and envelope
  wrap_missing: {
    ...INVALID_JOB,
    cause: 'wrapping token must be present (wrap_secret_id)',
    remedy: 'Ask Vault for a wrapped SecretID of the job role and send its token; `writ run` does it for you.',
  },
  wrap_invalid: {
    ...DENIED,
    cause: 'The wrapping token is unknown, expired or was opened before: possible interception',
    remedy: 'If you did not send it twice, somebody else has opened it: find out who. Then submit with a new one.',
  },
  wrap_foreign: {
    ...DENIED,
    cause: 'The wrapping token was not made by the job role of this server: possible forgery',
    remedy: 'Make it with auth/approle/role/<job role>/secret-id and a wrap TTL. If you did, somebody replaced it.',
  },
  authority_refused: {
    ...DENIED,
    cause: 'Vault does not accept the SecretID of this job',
    remedy: 'Submit again with a new SecretID; check the limits of the job role in Vault.',
  },
  envelope_incomplete: {
    ...INVALID_JOB,
    cause: 'cubby_token and cubby_path belong together',
    remedy: 'Send both for a sealed job, neither for a direct one.',
  },
  envelope_opened: {
    ...DENIED,
    cause: 'The cubbyhole of this envelope cannot be read; it was opened before or has expired: possible interception',
    remedy: 'If you did not send it twice, somebody else has opened it: find out who. Then submit with a new one.',
  },
  envelope_empty: {
    ...INVALID_JOB,
    cause: 'The cubbyhole of this envelope holds no payload',
    remedy:
      'Write the transit ciphertext to the field "payload" at cubby_path, with the token that is sent as cubby_token.',
  },
  envelope_path: {
    ...INVALID_JOB,
    cause: 'cubby_path is not a path in a cubbyhole',
    remedy: 'Use cubbyhole/<name>.',
  },
  envelope_tampered: {
    ...DENIED,
    cause: 'The payload cannot be decrypted: it was changed on its way, or made for another key',
    remedy:
      'Encrypt the job with transit/encrypt/<job role> of the Vault that this server uses. If you did, it was tampered with.',
  },
  envelope_not_a_job: {
    ...INVALID_JOB,
    cause: 'What was sealed is not a job',
    remedy: 'Seal the JSON of a job; docs/submit.md lists its fields.',
  },
  authority_mismatch: {
    ...DENIED,
    cause: 'The envelope was sealed with another authority than the one that came with it: two requests were mixed',
    remedy: 'Send what was sealed together. If you did, the courier exchanged a part.',
  },
  envelope_replayed: {
    ...DENIED,
    cause: 'This authority was used for a job before: somebody sent a request a second time',
    remedy: 'If it was you, because the answer got lost, send an Idempotency-Key the next time. Else find out who.',
  },
  caller_mismatch: {
    ...DENIED,
    cause: 'The envelope was sealed for another X-Auth-Token than the one that came with it',
    remedy: 'Send the token that was named when it was sealed. If you did, the courier put his own in its place.',
  },
  envelope_early: {
    ...DENIED,
    cause: 'The job that this one is to come after has not arrived: the order was changed, or the first one held back',
    remedy: 'Submit the first one and then this one anew, sealed for it.',
  },
  queue_mismatch: {
    ...DENIED,
    cause: 'qnames do not match: the courier asked for another queue than the sealed job names',
    remedy: 'Send the qname of the sealed job outside the envelope too. If you did, the courier changed it.',
  },

  // running
  secret_not_found: {
    ...INVALID_JOB,
    cause: 'A secret that the job refers to is not there',
    remedy: 'Check the path and the key; for KV version 2 write mount/data/path.',
  },
  secret_refused: {
    ...DENIED,
    cause: 'The job role may not read a secret that the job refers to',
    remedy: 'Allow the path in the policy of the job role, or take the reference out.',
  },
  secret_not_text: {
    ...INVALID_JOB,
    cause: 'A secret that the job refers to is neither text, number nor boolean',
    remedy: 'Refer to a key that holds a single value.',
  },
  secret_warnings: {
    ...INVALID_JOB,
    cause: 'Vault answered a secret with warnings',
    remedy: 'Mend what the warning says, or set cont_on_warnings.',
  },
  image_not_found: {
    ...NOT_FOUND,
    cause: 'The image is neither here nor to be pulled',
    remedy: 'Check its name and tag, and that this machine reaches the registry.',
  },
  image_metadata_invalid: {
    ...INVALID_JOB,
    cause: 'gostint.yml or gostint_image.yml cannot be read',
    remedy: 'Write YAML with container_image (text) and secret_refs (list of texts).',
  },
  container_refused: {
    ...INVALID_JOB,
    cause: 'The container engine refuses to create or start the container',
    remedy: 'See the reason given: a missing executable or working directory are the usual ones.',
  },
  ...RUN_ERRORS,

  ...GATE_ERRORS,
  ...WATCH_ERRORS,

  // the server's own peers
  vault_unavailable: {
    ...UNAVAILABLE,
    cause: 'Vault does not answer, or is sealed',
    remedy: 'Nothing was done. Retry when Vault is back.',
  },
  server_sealed: {
    ...UNAVAILABLE,
    status: 'Sealed',
    cause: 'This server has no Vault identity at the moment',
    remedy: 'Look at its log for why; it logs in again by itself as soon as it can.',
  },
  store_unavailable: {
    ...UNAVAILABLE,
    cause: 'The database does not answer, or takes nothing',
    remedy:
      'Nothing was done, unless it says that this is not known. Retry when the database is back; one that is read-only, full, or without a connection left, takes nothing either.',
  },
  store_credentials_unavailable: {
    ...UNAVAILABLE,
    cause: 'Vault gives this server no login for its database',
    remedy:
      'Let the policy of the server read the path in WRIT_DATABASE_CREDS (`writ vault-setup --database-creds PATH`), and look at what Vault says.',
  },
  runtime_unavailable: {
    ...UNAVAILABLE,
    cause: 'The container engine does not answer',
    remedy: 'Start it, or point DOCKER_HOST at it; `writ doctor` shows what is missing.',
  },
  internal: {
    ...INTERNAL,
    cause: 'An error inside the server',
    remedy: 'Its log has the details under the request id that is given here. Please report it.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** More than anybody reads of it. */
const LONGEST_DETAIL = 4_096

/**
 * An error of the registry. `detail` is added to its cause and is shown to callers: it must never hold a secret. It may be somebody
 * else's words: of those no more is kept than is read, and nothing that the database, where a reason is stored, would refuse.
 */
export class WritError extends Error {
  override readonly name = 'WritError'
  readonly code: ErrorCode
  readonly detail: string | undefined

  constructor(code: ErrorCode, words?: string, options?: ErrorOptions) {
    const detail = words && storable(words)
    super(detail ? `${ERRORS[code].cause}: ${detail}` : ERRORS[code].cause, options)
    this.code = code
    this.detail = detail
  }

  get entry(): ErrorEntry {
    return ERRORS[this.code]
  }
}

function storable(words: string): string {
  const some = words.length > LONGEST_DETAIL ? `${words.slice(0, LONGEST_DETAIL)}…` : words
  return some.toWellFormed().replaceAll('\0', '\ufffd')
}

export function errorBody(error: WritError): ErrorBody {
  return { status: error.entry.status, error: error.message, code: error.code, remedy: error.entry.remedy }
}
