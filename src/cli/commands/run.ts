import type { Client } from '../../client/client.ts'
import type { SubmitAnswer } from '../../protocol/job.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { connect } from './connect.ts'
import { type JobOptions, jobSpecOf } from './job-spec.ts'
import { followToEnd } from './logs.ts'
import { type ResultKey, resultKeyOf } from './result-key.ts'

/** Submits sealed, follows, exits with the job's code. Ctrl-C kills the job; a second one only leaves. */
export async function run(command: readonly string[], options: JobOptions): Promise<number> {
  const client = await connect(options)
  try {
    const key = await resultKeyOf(options)
    const { _id } = await submitWith(client, command, options, key)
    progress(`job ${_id} queued${options.queue ? ` in ${options.queue}` : ''}`)
    const leave = killOnInterrupt(client, _id)
    try {
      return await followToEnd(client, _id, 0, options.json ?? false, key.recipients ? key.identities : null)
    } finally {
      leave()
    }
  } finally {
    await client.close()
  }
}

/** Submits and prints the id. */
export async function submit(command: readonly string[], options: JobOptions): Promise<number> {
  const client = await connect(options)
  try {
    if (options.resultKey === 'auto' && !options.identity)
      throw new UsageError(
        '--result-key auto without --identity: nobody could read the output',
        'Name a file for the key: --identity FILE',
      )
    const answer = await submitWith(client, command, options, await resultKeyOf(options))
    if (options.json) printJson(answer)
    else process.stdout.write(`${answer._id}\n`)
    return EXIT.ok
  } finally {
    await client.close()
  }
}

async function submitWith(
  client: Client,
  command: readonly string[],
  options: JobOptions,
  { recipients }: ResultKey,
): Promise<SubmitAnswer> {
  const spec = { ...(await jobSpecOf(command, options)), ...(recipients ? { result_key: recipients } : {}) }
  const answer = options.direct ? await client.submitDirect(spec) : await client.submit(spec)
  // somebody on the way added fields to the submission; the server has not honoured them
  if (answer.ignored_fields.length > 0)
    progress(`the courier added ${answer.ignored_fields.join(', ')}: ignored by the server`)
  return answer
}

function killOnInterrupt(client: Client, id: string): () => void {
  let asked = false
  const interrupt = () => {
    if (asked) process.exit(EXIT.interrupted)
    asked = true
    progress(`killing job ${id}; once more to leave it alone`)
    client.kill(id).catch(error => progress(`not killed: ${(error as Error).message}`))
  }
  process.on('SIGINT', interrupt)
  return () => process.off('SIGINT', interrupt)
}
