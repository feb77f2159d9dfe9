import type { Client } from '../../client/client.ts'
import { RequestError } from '../../client/error.ts'
import { parseDuration } from '../../protocol/duration.ts'
import type { JobList, ListQuery } from '../../protocol/job.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, printTable, progress } from '../print.ts'
import { quoted } from '../shell-word.ts'
import { type ConnectOptions, withClient } from './connect.ts'

export interface ListOptions extends ConnectOptions {
  readonly status?: string
  readonly queue?: string
  readonly qname?: string
  readonly since?: string
  readonly limit: number
  readonly cursor?: string
  readonly skip?: number
}

/** The most that the server gives at once. */
const PAGE = 100

/** The newest jobs that one may see. More than a page holds are asked for page by page. */
export async function ls(options: ListOptions): Promise<number> {
  const { status, cursor, skip, limit } = options
  if (cursor !== undefined && skip !== undefined)
    throw new UsageError('--cursor and --skip exclude each other', 'Take --cursor: nothing is shown twice or left out.')
  const qname = options.queue ?? options.qname
  const filter: ListQuery = {
    ...(status === undefined ? {} : { status }),
    ...(qname === undefined ? {} : { qname }),
    ...(options.since === undefined ? {} : { since: timeOf(options.since) }),
  }
  const begin = { ...(cursor === undefined ? {} : { cursor }), ...(skip === undefined ? {} : { skip }) }
  return await withClient(options, async client => {
    const list = await collect(client, filter, begin, limit)
    if (options.json) printJson(list)
    else show(list)
    return EXIT.ok
  })
}

async function collect(client: Client, filter: ListQuery, begin: ListQuery, limit: number): Promise<JobList> {
  const first = await client.list({ ...filter, ...begin, limit: Math.min(PAGE, limit) })
  const data: JobList['data'] = []
  const seen = new Set<string>()
  for (let page = first; ; ) {
    const { next } = page
    // the attack: a courier whose pages never end, with nothing on them or all the same
    if (!Array.isArray(page.data) || typeof next !== 'string' || (next && (page.data.length === 0 || seen.has(next))))
      throw notAList()
    data.push(...page.data.slice(0, limit - data.length))
    if (!next || data.length >= limit) return { ...first, data, limit, next }
    seen.add(next)
    page = await client.list({ ...filter, cursor: next, limit: Math.min(PAGE, limit - data.length) })
  }
}

function notAList(): RequestError {
  return new RequestError({
    status: 200,
    code: 'list_invalid',
    message: 'what is answered is no list of jobs, or one that goes round',
    remedy: 'Check that this is the address of a writ server, and who is between.',
  })
}

function show({ data, next }: JobList): void {
  const rows = data.map(job => [
    job._id,
    job.status,
    String(job.return_code),
    job.qname || '-',
    job.container_image || '-',
    job.submitted,
  ])
  printTable(rows, ['ID', 'STATUS', 'CODE', 'QUEUE', 'IMAGE', 'SUBMITTED'])
  if (next) progress(`there are more: the same command with --cursor ${quoted(next)}`)
}

/** `2h` is two hours ago; anything else is a point in time. */
function timeOf(text: string): string {
  const seconds = parseDuration(text)
  const ms =
    seconds === null ? (/^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : Date.now() - seconds * 1000
  if (Number.isNaN(ms))
    throw new UsageError('--since is no time', 'Write --since 2h, --since 7d or --since 2026-05-01T12:00:00Z.')
  return new Date(ms).toISOString()
}
