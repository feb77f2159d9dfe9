import type { Client } from '../../client/client.ts'
import type { JobAnswer } from '../../protocol/job.ts'
import { offsetBehind } from '../../protocol/output-event.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson } from '../print.ts'
import { type ConnectOptions, withClient } from './connect.ts'
import { followToEnd, isLive, opened, show } from './follow.ts'
import { readIdentities } from './result-key.ts'

export interface LogsOptions extends ConnectOptions {
  readonly follow?: boolean
  readonly offset?: number
  readonly identity?: string
}

/** Prints the output of a job; with --follow until its end, and then exits with its code. */
export async function logs(id: string, options: LogsOptions): Promise<number> {
  return await withClient(options, async client => {
    const job = await client.get(id)
    const { status, output_bytes, result_key } = job
    const { follow = false, json = false, offset = 0 } = options
    if (json && !follow) {
      printJson(job)
      return EXIT.ok
    }
    const identities = result_key ? await identitiesFor(client, job, options) : null
    if (follow) return await followToEnd(client, id, { offset, json, identities })
    const stop = new AbortController()
    const live = isLive(status)
    // of a job that still runs: what there is at this moment, and no more
    if (live && output_bytes <= offset) return EXIT.ok
    const events = opened(client.follow(id, offset, stop.signal), identities)
    for await (const event of events) {
      if (event.kind === 'end') break
      await show(event)
      if (live && offsetBehind(event) >= output_bytes) break
    }
    stop.abort()
    return EXIT.ok
  })
}

async function identitiesFor(client: Client, job: JobAnswer, { identity, json }: LogsOptions): Promise<string[]> {
  if (identity) return await readIdentities(identity)
  if (json) return []
  const kept = await client.identities(job)
  if (kept.length > 0) return kept
  throw new UsageError('the output of this job is encrypted', 'Name the file with your age identity: --identity FILE')
}
