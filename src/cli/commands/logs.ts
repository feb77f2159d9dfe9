import { once } from 'node:events'
import type { Client } from '../../client/client.ts'
import type { JobAnswer } from '../../protocol/job.ts'
import { type JobEvent, type OutputEvent, offsetBehind } from '../../protocol/output-event.ts'
import { openSealed } from '../../protocol/sealed-output.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { type ConnectOptions, connect } from './connect.ts'
import { readIdentities } from './result-key.ts'

export interface LogsOptions extends ConnectOptions {
  readonly follow?: boolean
  readonly offset?: number
  readonly identity?: string
}

/** Prints the output of a job; with --follow until its end, and then exits with its code. */
export async function logs(id: string, options: LogsOptions): Promise<number> {
  const client = await connect(options)
  try {
    const { status, output_bytes, result_key } = await client.get(id)
    const identities = result_key ? await identitiesFor(options) : null
    if (options.follow) return await followToEnd(client, id, options.offset ?? 0, options.json ?? false, identities)
    const stop = new AbortController()
    const live = ['queued', 'running', 'stopping'].includes(status)
    // of a job that still runs: what there is at this moment, and no more
    if (live && output_bytes <= (options.offset ?? 0)) return EXIT.ok
    const events = opened(client.follow(id, options.offset ?? 0, stop.signal), identities)
    for await (const event of events) {
      if (event.kind === 'end') break
      await show(event)
      if (live && offsetBehind(event) >= output_bytes) break
    }
    stop.abort()
    return EXIT.ok
  } finally {
    await client.close()
  }
}

/** Copies the output of a job to our own streams until its end. Returns the exit code for the command. */
export async function followToEnd(
  client: Client,
  id: string,
  offset: number,
  json: boolean,
  /** Null: the output is not encrypted. None: nobody here can read it. */
  identities: readonly string[] | null,
): Promise<number> {
  const hidden = identities?.length === 0
  if (hidden && !json) progress(`the output is encrypted: \`writ logs --identity FILE ${id}\` opens it`)
  for await (const event of opened(client.follow(id, offset), identities)) {
    if (!json && !(hidden && event.kind === 'output' && event.stream !== 'system')) await show(event)
  }
  const job = await client.get(id)
  if (json) printJson(job)
  else sayHowItEnded(job)
  return exitCodeOf(job)
}

function opened(events: AsyncIterable<JobEvent>, identities: readonly string[] | null): AsyncIterable<JobEvent> {
  return identities && identities.length > 0 ? openSealed(events, identities) : events
}

async function identitiesFor({ identity, json }: LogsOptions): Promise<string[]> {
  if (identity) return await readIdentities(identity)
  if (json) return []
  throw new UsageError('the output of this job is encrypted', 'Name the file with your age identity: --identity FILE')
}

function sayHowItEnded(job: JobAnswer): void {
  const masked = Object.values(job.masked).reduce((sum, times) => sum + times, 0)
  const reason = job.error_code ? `: ${job.error_text} (${job.error_code})` : ''
  progress(
    `job ${job._id} ${job.status}, code ${job.return_code}${reason}${masked ? `; ${masked} secrets masked` : ''}`,
  )
}

/** The job's own code; 125 if it never ran, and never 0 for a job that did not succeed. */
export function exitCodeOf(job: Pick<JobAnswer, 'status' | 'return_code'>): number {
  if (job.status === 'success') return EXIT.ok
  return job.return_code === 0 ? EXIT.notRun : job.return_code
}

/** What the server says of the job is not the job's output, and so not for a pipe. */
function sayLines(text: string): void {
  for (const line of text.split('\n')) if (line) progress(line)
}

async function show(event: JobEvent): Promise<void> {
  if (event.kind === 'output') await write(event.stream, event.data)
  if (event.kind === 'cut') progress(`${event.bytes} bytes of output are left out here: there was more than is kept`)
}

async function write(stream: OutputEvent['stream'], data: Uint8Array): Promise<void> {
  if (stream === 'system') return sayLines(Buffer.from(data).toString())
  const target = process[stream]
  if (!target.write(data)) await once(target, 'drain')
}
