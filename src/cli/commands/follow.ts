import { once } from 'node:events'
import type { Client } from '../../client/client.ts'
import type { JobAnswer } from '../../protocol/job.ts'
import type { EndEvent, JobEvent, OutputEvent } from '../../protocol/output-event.ts'
import { openSealed } from '../../protocol/sealed-output.ts'
import { EXIT } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { WaitingLine } from './waiting-line.ts'

export interface FollowOptions {
  readonly offset: number
  readonly json: boolean
  /** Null: the output is not encrypted. None: nobody here can read it. */
  readonly identities: readonly string[] | null
}

/** Copies the output of a job to our own streams until its end. Returns the exit code for the command. */
export async function followToEnd(client: Client, id: string, options: FollowOptions): Promise<number> {
  const { offset, json, identities } = options
  const hidden = identities?.length === 0
  if (hidden && !json) progress(`the output is encrypted: \`writ logs --identity FILE ${id}\` opens it`)
  const waiting = new WaitingLine(client, id)
  let end: EndEvent | undefined
  try {
    for await (const event of opened(client.follow(id, offset), identities)) {
      if (event.kind === 'end') end = event
      if (json || (hidden && event.kind === 'output' && event.stream !== 'system')) continue
      waiting.hear(event)
      await show(event)
    }
  } finally {
    waiting.end()
  }
  const job = await client.get(id).catch(error => {
    // its end is known, and so the exit code
    if (json || !end) throw error
    progress(`job ${id} ${end.status}, code ${end.returnCode}; more is not known: ${(error as Error).message}`)
    return { status: end.status, return_code: end.returnCode }
  })
  if (json) printJson(job)
  else if ('_id' in job) sayHowItEnded(job)
  return exitCodeOf(job)
}

/** Of a state that is not the last one. */
export function isLive(status: string): boolean {
  return ['queued', 'running', 'stopping'].includes(status)
}

/** In the clear, where there is a key to open it with. */
export function opened(events: AsyncIterable<JobEvent>, identities: readonly string[] | null): AsyncIterable<JobEvent> {
  return identities && identities.length > 0 ? openSealed(events, identities) : events
}

function sayHowItEnded(job: JobAnswer): void {
  const masked = Object.values(job.masked).reduce((sum, times) => sum + times, 0)
  const reason = job.error_code ? `: ${job.error_text} (${job.error_code})` : ''
  progress(
    `job ${job._id} ${job.status}, code ${job.return_code}${reason}${masked ? `; ${masked} secrets masked` : ''}`,
  )
}

/** The job's own code; 125 if it never ran, and never 0 for a job that did not succeed, also not when 256 would be cut to it. */
export function exitCodeOf(job: { status: string; return_code: number }): number {
  if (job.status === 'success') return EXIT.ok
  return job.return_code & 0xff || EXIT.notRun
}

/** What the server says of the job is not the job's output, and so not for a pipe. */
function sayLines(text: string): void {
  for (const line of text.split('\n')) if (line) progress(line)
}

/** A piece of output, on the stream that the job wrote it to. */
export async function show(event: JobEvent): Promise<void> {
  if (event.kind === 'output') await write(event.stream, event.data)
  if (event.kind === 'cut') progress(`${event.bytes} bytes of output are left out here: there was more than is kept`)
}

async function write(stream: OutputEvent['stream'], data: Uint8Array): Promise<void> {
  if (stream === 'system') return sayLines(Buffer.from(data).toString())
  const target = process[stream]
  // of a stream that cannot be written any more, main.ts knows what to do
  if (!target.write(data)) await once(target, 'drain').catch(() => {})
}
