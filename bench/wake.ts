import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { newJobId } from '../src/protocol/job-id.ts'
import { record } from '../src/server/audit/audit.ts'
import { claimJobs } from '../src/server/store/claims.ts'
import { migrate, openDatabase } from '../src/server/store/database.ts'
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { insertJob } from '../src/server/store/jobs.ts'
import { notify, Wakeups } from '../src/server/store/wakeups.ts'
import { line } from './figures.ts'

/**
 * How long a job waits that could start at once: from the moment at which its submission is stored until a node on another
 * connection has claimed it. The baseline, in turns: a bare notification, and one UPDATE of the one who hears it.
 */
export async function bench([rounds = '300']: string[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-bench-'))
  const postgres = await startEmbeddedPostgres({ directory })
  const [submitter, node] = [openDatabase(postgres.url, () => {}), openDatabase(postgres.url, () => {})]
  await migrate(submitter)
  await sql`create table bare as select 1 as id, 0 as n`.execute(submitter)
  const wakeups = new Wakeups(postgres.url, () => {})
  await new Promise<void>(resolve => wakeups.onQueue(resolve))
  let hear: () => void = () => {}
  wakeups.onQueue(() => hear())
  const bare: number[] = []
  const ours: number[] = []
  try {
    for (let round = 0; round < Number(rounds); round += 1) {
      bare.push(
        await woken(
          () => notify(submitter, 'queue', 'none'),
          async () => {
            await sql`update bare set n = n + 1`.execute(node)
            return true
          },
        ),
      )
      const id = newJobId(new Date())
      ours.push(
        await woken(
          () => submit(id),
          async () => (await claimJobs(node, 'node', 10, 60_000)).some(job => job.id === id),
        ),
      )
    }
    process.stdout.write(
      `${rounds} rounds, one at a time\n${line('notification and one UPDATE', bare)}\n${line('stored until claimed', ours)}\n`,
    )
  } finally {
    await wakeups.close()
    await submitter.destroy()
    await node.destroy()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }

  /** From the end of `act` until `react`, which a notification sets off, has done it. */
  async function woken(act: () => Promise<unknown>, react: () => Promise<boolean>): Promise<number> {
    let acted = 0
    const reacted = new Promise<number>(resolve => {
      hear = () => {
        void react().then(done => {
          if (done) resolve(performance.now())
        })
      }
    })
    await act()
    acted = performance.now()
    return Math.max(0, (await reacted) - acted)
  }

  async function submit(id: string): Promise<void> {
    await submitter.transaction().execute(async tx => {
      await insertJob(tx, {
        id,
        qname: id,
        form: 'direct',
        image: 'image',
        tty: false,
        submitterEntity: 'entity',
        submitterAccessorHash: 'hash',
        sealedSpec: 'vault:v1:spec',
        sealedToken: 'vault:v1:token',
        tokenAccessor: 'accessor',
        tokenRenewAt: null,
        outputLimit: 65_536,
      })
      await record(tx, { action: 'job.submitted', job: id, actor: 'bench', detail: { qname: id } })
    })
  }
}
