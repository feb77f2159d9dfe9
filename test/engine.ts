import { pino } from 'pino'
import { makeRecorder } from '../src/server/audit/recorder.ts'
import { Identity } from '../src/server/identity/identity.ts'
import type { Engine } from '../src/server/jobs/engine.ts'
import { Meters } from '../src/server/jobs/meters.ts'
import { Pulse } from '../src/server/jobs/pulse.ts'
import type { Runtime } from '../src/server/runtimes/runtime.ts'
import { claimJobs } from '../src/server/store/claims.ts'
import { migrate, openDatabase } from '../src/server/store/database.ts'
import { insertJob, type Job, type NewJob } from '../src/server/store/jobs.ts'
import type { Hold } from '../src/server/store/runs.ts'
import { Wakeups } from '../src/server/store/wakeups.ts'
import { createTestDatabase } from './database.ts'
import { startTestVault, type TestVault } from './dev-vault.ts'

export interface TestEngine {
  readonly engine: Engine
  readonly stack: TestVault
  /** Of its database. */
  readonly url: string
  /** What was logged, as lines of JSON. */
  readonly log: string[]
  /** Another node on the same database. */
  node(name: string, runtime?: Partial<Runtime>): Engine
  /** Puts a job into a queue. */
  queue(job?: Partial<NewJob>): Promise<string>
  /** Puts one into a queue of its own and claims it for the engine. */
  claim(job?: Partial<NewJob>): Promise<{ hold: Hold; job: Job }>
  close(): Promise<void>
}

/** The parts below the containers: a database of its own, the embedded Vault with the server's key, an identity. No runtime. */
export async function startTestEngine(more: object = {}): Promise<TestEngine> {
  const [database, stack] = await Promise.all([createTestDatabase(), startTestVault()])
  await stack.write('sys/mounts/transit', { type: 'transit' })
  await stack.write('transit/keys/writ-server', {})
  const log: string[] = []
  const logger = pino({ level: 'trace' }, { write: line => log.push(line) })
  const db = openDatabase(database.url, () => {})
  await migrate(db)
  const wakeups = new Wakeups(database.url, () => {})
  const identity = new Identity(stack.vault, { kind: 'token', token: stack.root }, logger)
  await identity.start()
  const settings = {
    serverKey: 'writ-server',
    jobRole: 'writ-job',
    leaseMs: 1_000,
    concurrency: 4,
    clusterConcurrency: 0,
    queueWidths: [],
    retentionSeconds: 3600,
    timeout: 0,
    timeoutMax: 0,
    queueTimeout: 0,
    queueTimeoutMax: 0,
    retentionMax: 0,
    killGraceSeconds: 1,
    enginePatience: 300,
    jobNetwork: 'none',
    allowedNetworks: [],
    outputLimit: 64 << 20,
    maxOutput: 0,
    answerOutput: 4 * 1024 * 1024,
    ...more,
  }
  const node = (name: string, runtime: Partial<Runtime> = {}) =>
    ({
      node: name,
      installation: 'test',
      settings,
      db,
      recorder: makeRecorder(db),
      pulse: new Pulse(db, name, settings.leaseMs),
      wakeups,
      vault: stack.vault,
      identity,
      runtime,
      meters: new Meters(),
      log: logger,
    }) as unknown as Engine
  const engine = node('node-1')
  let count = 0
  const queue = async (job: Partial<NewJob> = {}) => {
    count += 1
    const id = count.toString(16).padStart(24, '0')
    const fields = { form: 'direct', image: 'busybox', tty: false, submitterEntity: 'entity' } as const
    const sealed = { submitterAccessorHash: 'hash', sealedSpec: '', sealedToken: '', tokenAccessor: '' }
    const row = {
      id,
      qname: `queue ${count}`,
      ...fields,
      ...sealed,
      tokenRenewAt: null,
      outputLimit: 64 << 20,
      ...job,
    }
    await db.transaction().execute(tx => insertJob(tx, row))
    return row.id
  }
  return {
    engine,
    stack,
    url: database.url,
    log,
    node,
    queue,
    claim: async more => {
      const id = await queue(more)
      const job = (await claimJobs(db, engine.node, 100, 60_000)).find(one => one.id === id)
      if (!job) throw new Error('the job was not claimed')
      return { hold: { id, node: engine.node, attempt: job.attempt }, job }
    },
    close: async () => {
      await wakeups.close()
      await identity.close()
      await db.destroy()
      await stack.close()
      await database.drop()
    },
  }
}
