import type { Client } from '../../client/client.ts'
import { ClientClosed, RequestError } from '../../client/error.ts'
import type { SubmitAnswer } from '../../protocol/job.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { withClient } from './connect.ts'
import { followToEnd } from './follow.ts'
import { type JobOptions, jobSpecOf } from './job-spec.ts'
import { type ResultKey, resultKeyOf } from './result-key.ts'

/** Submits sealed, follows, exits with the job's code. Ctrl-C kills the job; a second one only leaves, as SIGTERM does. */
export async function run(command: readonly string[], options: JobOptions): Promise<number> {
  checkOrder(options)
  let running: string | null = null
  const submitted = async (client: Client) => {
    const key = await resultKeyOf(client, options)
    const { _id, qname } = await submitWith(client, command, options, key)
    progress(`job ${_id} queued${qname ? ` in ${qname}` : ''}`)
    running = _id
    const identities = key.recipients ? key.identities : null
    return await followToEnd(client, _id, { offset: 0, json: options.json ?? false, identities })
  }
  const kill = (client: Client): boolean => {
    if (running === null) return false
    progress(`killing job ${running}; once more to leave it alone`)
    client.kill(running).catch(error => progress(`not killed: ${(error as Error).message}`))
    running = null
    return true
  }
  return await withClient(options, submitted, kill)
}

/** Submits and prints the id. */
export async function submit(command: readonly string[], options: JobOptions): Promise<number> {
  checkOrder(options)
  if (options.resultKey === 'auto' && !options.identity)
    throw new UsageError(
      '--result-key auto without --identity: nobody could read the output',
      'Name a file for the key: --identity FILE',
    )
  return await withClient(options, async client => {
    const answer = await submitWith(client, command, options, await resultKeyOf(client, options))
    if (options.json) printJson(answer)
    else process.stdout.write(`${answer._id}\n`)
    return EXIT.ok
  })
}

async function submitWith(
  client: Client,
  command: readonly string[],
  options: JobOptions,
  { recipients }: ResultKey,
): Promise<SubmitAnswer> {
  const spec = { ...(await jobSpecOf(command, options)), ...(recipients ? { result_key: recipients } : {}) }
  const { after, idempotencyKey } = options
  const submitting = options.direct
    ? client.submitDirect(spec, { idempotencyKey })
    : client.submit(spec, { idempotencyKey, after: after ? { authority_sha256: after } : undefined })
  const answer = await submitting.catch(error => {
    if (error instanceof ClientClosed)
      progress('given up before there was an answer: `writ ls` shows whether it arrived')
    throw error
  })
  // printed, and typed again by people and scripts: nothing but an id
  if (typeof answer._id !== 'string' || !/^[0-9a-f]{24}$/.test(answer._id)) throw notAJob()
  // somebody on the way added fields to the submission; the server has not honoured them
  if (answer.ignored_fields.length > 0)
    progress(`the courier added ${answer.ignored_fields.join(', ')}: ignored by the server`)
  return answer
}

function notAJob(): RequestError {
  return new RequestError({
    status: 200,
    code: 'not_a_job',
    message: 'the answer is not a job',
    remedy: 'Check that this is the address of a writ server, and who is between.',
  })
}

/** An id would have to be looked up at the server, through the courier whom the order is kept from. */
function checkOrder({ after, direct }: JobOptions): void {
  if (after === undefined) return
  if (!/^[0-9a-f]{64}$/.test(after))
    throw new UsageError(
      '--after is not the authority of a job',
      'Take `authority_sha256` of what `writ submit --json` printed.',
    )
  if (direct) throw new UsageError('--after needs a sealed job', 'Leave out --direct.')
}
