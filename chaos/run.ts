import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { ENGINE_SOCKET } from '../test/engine-socket.ts'
import { engineRestart, strikeUntil } from './faults.ts'
import { checkHistory } from './history.ts'
import { leftovers } from './leftovers.ts'
import { submitUntil } from './load.ts'
import { Random } from './random.ts'
import { Starts } from './starts.ts'
import { World } from './world.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  readonly nodes: number
  /** Command that restarts the engine, on a machine where that may be done. */
  readonly restartEngine?: string | undefined
  readonly report?: (text: string) => void
}

export interface ChaosResult {
  readonly jobs: number
  readonly byEnd: Readonly<Record<string, number>>
  /** Broken promises, a line each. */
  readonly found: readonly string[]
  readonly logs: string
}

/** How long everything may take to come to its end once nothing is hurt any more. */
const SETTLE_MS = 120_000
/** How long what a job held may outlive the last end. */
const RELEASE_MS = 10_000

/** Hurts a whole system while jobs run, heals it, waits, and checks what happened. The seed decides what is done; not when it has effect. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const report = options.report ?? (() => {})
  const starts = new Starts(ENGINE_SOCKET)
  const world = await World.open(options.nodes)
  try {
    let kills = 0
    const until = performance.now() + options.seconds * 1000
    const extra = options.restartEngine ? [engineRestart(options.restartEngine)] : []
    const [accepted] = await Promise.all([
      submitUntil(world, new Random(options.seed), until),
      strikeUntil(world, new Random(options.seed + 1), until, extra, text => {
        if (text.startsWith('kill') || text.startsWith('a node is told')) kills += 1
        report(text)
      }),
    ])
    report(`${accepted.length} jobs accepted; everything is whole again`)
    await settled(world)
    const left = await untilNone(() => leftovers(world), RELEASE_MS)
    // a node that dies between Vault's answer to a login and its own record of it leaves a token that only Vault knows, for minutes
    const [tokens, rest] = [left.filter(isToken), left.filter(text => !isToken(text))]
    const found = [
      ...(await checkHistory(world.db, accepted, starts, { engineRestarts: options.restartEngine !== undefined })),
      ...rest,
      ...world.deaths,
      ...(tokens.length > kills ? tokens : []),
    ]
    const { rows } = await sql<{ end: string; count: number }>`
      select status || ' ' || error_code || case when output_gap then ' (gap)' else '' end as end, count(*) as count from jobs group by 1 order by 2 desc`.execute(
      world.db,
    )
    const byEnd = Object.fromEntries(rows.map(({ end, count }) => [end.trim(), count]))
    const logs = world.nodes.map(node => `=== ${node.name}\n${node.logs}${node.server?.log() ?? ''}`).join('\n')
    return { jobs: rows.reduce((sum, { count }) => sum + count, 0), byEnd, found, logs }
  } finally {
    starts.close()
    await world.close()
  }
}

const isToken = (text: string) => text.startsWith('a token of a job')

async function settled(world: World): Promise<void> {
  const open = async () => {
    const { rows } = await sql<{ id: string }>`
      select id from jobs where status in ('queued', 'running', 'stopping')`.execute(world.db)
    return rows.map(({ id }) => id)
  }
  await untilNone(open, SETTLE_MS)
}

/** What is left of it after `limitMs` at the most. */
async function untilNone(look: () => Promise<string[]>, limitMs: number): Promise<string[]> {
  for (const end = performance.now() + limitMs; ; ) {
    const left = await look()
    if (left.length === 0 || performance.now() > end) return left
    await sleep(250)
  }
}
