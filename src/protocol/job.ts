import Type, { type Static } from 'typebox'

/** States of a job, spelt as GoStint spells them (gostint.md §11.1). */
export const JOB_STATES = ['queued', 'running', 'stopping', 'success', 'failed', 'notauthorised', 'unknown'] as const
export type JobState = (typeof JOB_STATES)[number]

const FINAL_STATES = ['success', 'failed', 'notauthorised', 'unknown'] as const satisfies readonly JobState[]
export type FinalState = (typeof FINAL_STATES)[number]

export function isFinal(state: string): state is FinalState {
  return (FINAL_STATES as readonly string[]).includes(state)
}

const text = (description: string) => Type.Optional(Type.String({ description }))
const texts = (description: string) => Type.Optional(Type.Array(Type.String(), { description }))

const duration = (description: string) =>
  Type.Optional(
    Type.Union([Type.String(), Type.Integer()], { description: `${description} \`90s\`, \`1h30m\`, or seconds.` }),
  )

/** What a job is: the body of a direct submission, or what is sealed in an envelope (gostint.md §2.5). */
export const JobSpec = Type.Object({
  qname: text('Queue. Jobs of one queue run one after another; default is the queue with the empty name. Lower-cased.'),
  container_image: text('Image reference; may come from gostint.yml of the content instead.'),
  image_pull_policy: Type.Optional(
    Type.Enum(['', 'IfNotPresent', 'Always', 'Never'], { description: 'Default IfNotPresent.' }),
  ),
  content: text('`targz,` and the base64 of a .tar.gz that is laid over the root of the container.'),
  entrypoint: texts("Replaces the image's entry point."),
  run: texts('The command, or the arguments of the entry point.'),
  working_directory: text("Default: the image's."),
  env_vars: texts('`NAME=value`, not for secrets.'),
  tty: Type.Optional(Type.Boolean({ description: 'Allocate a terminal; then stderr is part of the output.' })),
  secret_refs: texts('`NAME@path.key`: read from Vault when the job starts, given to it in /secrets.yml.'),
  secret_file_type: Type.Optional(
    Type.Enum(['', 'yaml', 'json'], { description: 'Form of the file of secrets; default yaml.' }),
  ),
  timeout: duration('For how long the container may run; then it is stopped and the job failed.'),
  queue_timeout: duration('For how long the job may wait for its start; then it is failed without one.'),
  ttl: duration('For how long the record and output are kept after the end.'),
  vault_token: Type.Optional(
    Type.Enum(['', 'inherit', 'none', 'child'], {
      description: "Vault token of the container: the job's own (default), none, or a child with fewer policies.",
    }),
  ),
  vault_token_policies: texts("Policies of a child token: some of the job's own, nothing added."),
  vault_token_uses: Type.Optional(Type.Integer({ minimum: 0, description: 'Uses of a child token; 0: no limit.' })),
  cont_on_warnings: Type.Optional(Type.Boolean({ description: 'Go on when Vault answers a secret with warnings.' })),
  limits: Type.Optional(
    Type.Object(
      {
        memory: Type.Optional(
          Type.Union([Type.Integer(), Type.String()], { description: 'Bytes, or a number with k, m or g.' }),
        ),
        cpus: Type.Optional(Type.Number({ description: 'Processors, 0.5 for half of one.' })),
        pids: Type.Optional(Type.Integer({ description: 'Processes and threads.' })),
      },
      { additionalProperties: false, description: 'Each within what the server allows; else its defaults.' },
    ),
  ),
  network: text("none, bridge or a network of the engine, if the server allows it; default: the server's."),
  read_only: Type.Optional(
    Type.Boolean({ description: 'No writing but to /tmp, which is in memory. Not together with content.' }),
  ),
  registry_auth: text('Path in Vault of username and password for the registry of the image, read with the job token.'),
  result_key: text(
    'age recipients (`age1…`, by commas) that the output is encrypted to before it is stored or sent; `transit:MOUNT/keys/NAME:vault:…` among them keeps the identity.',
  ),
  output_limit: Type.Optional(
    Type.Integer({
      minimum: 65_536,
      description:
        'Bytes of output to keep, half of them from its beginning, half from its end; no more than the server keeps.',
    }),
  ),
})
export type JobSpec = Static<typeof JobSpec>

/** What is in an envelope: the job, and which authority it was sealed with. */
export const Envelope = Type.Object({
  ...JobSpec.properties,
  authority_sha256: text(
    "Hex SHA-256 of the wrapping token that belongs to this envelope; GoStint's clients send none.",
  ),
  caller_sha256: text('Hex SHA-256 of the X-Auth-Token that is to come with it: no courier makes the job his own.'),
  after_sha256: text('`authority_sha256` of the job that must have been accepted before this one.'),
})
export type Envelope = Static<typeof Envelope>

/** The body of `POST /v1/api/job`: a job (direct form), or where its envelope is (sealed form). */
export const Submission = Type.Object({
  ...JobSpec.properties,
  wrap_secret_id: text("Wrapping token of a SecretID of the server's job role: the authority of the job."),
  cubby_token: text('Token that owns the cubbyhole in which the envelope is.'),
  cubby_path: text('Path in it: `cubbyhole/<name>`.'),
  payload: text('The envelope itself (transit ciphertext), instead of a cubbyhole.'),
})
export type Submission = Static<typeof Submission>

/** Fields of a submission that say where to, and nothing about what. All that an envelope leaves to the courier. */
export const ROUTING_FIELDS = ['qname', 'wrap_secret_id', 'cubby_token', 'cubby_path', 'payload'] as const

/** `GET /v1/api/job/{id}` (gostint.md §2.6); what is below `tty` is ours. */
export const JobAnswer = Type.Object({
  _id: Type.String(),
  status: Type.Enum([...JOB_STATES]),
  node_uuid: Type.String(),
  qname: Type.String(),
  container_image: Type.String(),
  submitted: Type.String(),
  started: Type.String(),
  ended: Type.String(),
  output: Type.String({ description: 'Standard output, or why the job failed to run.' }),
  stderr: Type.String(),
  return_code: Type.Integer(),
  tty: Type.Boolean(),
  error_code: Type.String({ description: 'Code of the error that ended the job; empty if none did.' }),
  error_text: Type.String({ description: 'The same in words.' }),
  image_digest: Type.String(),
  output_bytes: Type.Integer({ description: 'How much output there is by now, of both streams.' }),
  result_key: Type.String({
    description: 'As it was given: recipients that the output is encrypted to; empty if it is not.',
  }),
  output_left_out: Type.Integer({ description: 'How much of it, in the middle, was more than is kept.' }),
  output_gap: Type.Boolean({
    description:
      'Some of it may be missing: the container engine was restarted meanwhile. Where, says a line of the stream `system`.',
  }),
  origin: Type.Optional(
    Type.Object(
      {
        watch: Type.String(),
        task: Type.String(),
        commit: Type.String(),
        signers: Type.Array(
          Type.Object({ name: Type.String(), fingerprint: Type.String({ description: 'Of the key.' }) }),
        ),
      },
      { description: 'Of a job that a watch made: the commit that it runs, and who had signed it.' },
    ),
  ),
  masked: Type.Record(Type.String(), Type.Integer(), { description: 'How often each secret was masked, by its name.' }),
  unmasked: Type.Array(Type.String(), { description: 'Names of secrets that are too short to be masked.' }),
})
export type JobAnswer = Static<typeof JobAnswer>

/** `POST /v1/api/job` */
export const SubmitAnswer = Type.Object({
  _id: Type.String(),
  status: Type.Enum([...JOB_STATES]),
  qname: Type.String(),
  authority_sha256: Type.String({ description: 'Hex SHA-256 of the authority that the job came with.' }),
  ignored_fields: Type.Array(Type.String(), {
    description: 'Fields beside the envelope that were not honoured, because only what was sealed runs.',
  }),
})
export type SubmitAnswer = Static<typeof SubmitAnswer>

/** Most jobs in one page of a list. */
const LIST_LIMIT = 100

/** The query of `GET /v1/api/job`; without any, the page that GoStint answers (gostint.md §2.7). */
export const ListQuery = Type.Object({
  skip: Type.Optional(
    Type.Integer({ minimum: 0, description: "GoStint's way to page; what is no number counts as 0. Prefer `cursor`." }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIST_LIMIT, description: 'Jobs in the page; default 10.' })),
  status: Type.Optional(
    Type.String({
      pattern: `^(${JOB_STATES.join('|')})(,(${JOB_STATES.join('|')}))*$`,
      description: 'Only jobs in this state, or in one of several with commas between them.',
    }),
  ),
  qname: Type.Optional(Type.String({ description: 'Only jobs of this queue; empty is the queue without a name.' })),
  since: Type.Optional(
    Type.String({ format: 'date-time', description: 'Only jobs submitted at this time or later (RFC 3339).' }),
  ),
  cursor: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: '`next` of the page before; excludes `skip`.' }),
  ),
})
export type ListQuery = Static<typeof ListQuery>

/** `GET /v1/api/job` (gostint.md §2.7); what is below `total` is ours. */
export const JobList = Type.Object({
  data: Type.Array(JobAnswer, { description: 'Newest first. Outputs are cut after 16 KiB each.' }),
  skip: Type.Integer(),
  limit: Type.Integer(),
  total: Type.Integer({ description: 'How many jobs match; at least so many, unless `total_exact`.' }),
  total_exact: Type.Boolean(),
  next: Type.String({ description: '`cursor` of the page that follows; empty on the last one.' }),
})
export type JobList = Static<typeof JobList>

/** `GET /v1/api/queues` */
export const QueueList = Type.Object({
  data: Type.Array(
    Type.Object({
      qname: Type.String(),
      waiting: Type.Integer(),
      running: Type.Integer({ description: 'Jobs that run or are being stopped.' }),
      oldest: Type.String({ description: 'When the oldest waiting job was submitted; the zero time when none waits.' }),
    }),
    { description: 'Queues with a job on record that you may read by policy, by name.' },
  ),
})
export type QueueList = Static<typeof QueueList>

/** `POST /v1/api/job/kill/{id}` (gostint.md §2.9): the state before the kill has any effect. */
export const KillAnswer = Type.Object({
  _id: Type.String(),
  container_id: Type.String(),
  status: Type.Enum([...JOB_STATES]),
  kill_requested: Type.Boolean(),
})
export type KillAnswer = Static<typeof KillAnswer>
