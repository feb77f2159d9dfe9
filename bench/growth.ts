import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import { startDevVault } from '../src/dev-vault/index.ts'
import { newJobId } from '../src/protocol/job-id.ts'
import { record } from '../src/server/audit/audit.ts'
import { buildApp } from '../src/server/http/app.ts'
import type { Engine } from '../src/server/jobs/engine.ts'
import { Meters } from '../src/server/jobs/meters.ts'
import { claimJobs } from '../src/server/store/claims.ts'
import { type Database, migrate, openDatabase } from '../src/server/store/database.ts'
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { insertJob } from '../src/server/store/jobs.ts'
import { Vault } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'
import { createToken } from '../src/vault/token.ts'
import { line, quantile, timed } from './figures.ts'

const ROUNDS = 100
const FEW = 10_000

/**
 * What an old installation costs: listing, storing and claiming a job with a million ended ones on record, against the same with a
 * thousand, in turns. Lists go through HTTP with a caller who reads one queue by policy, and with one who reads all.
 */
export async function bench([many = '1000000', queues = '100']: string[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'writ-growth-'))
  const postgres = await startEmbeddedPostgres({ directory, share: false, maxConnections: 50 })
  const dev = await startDevVault()
  const vault = new Vault({ address: dev.address })
  const root = new Secret(dev.rootToken)
  const policy = 'path "writ/queues/queue%207" { capabilities = ["read"] }'
  await vault.send({ method: 'POST', path: 'sys/policies/acl/reader', token: root, body: { policy } })
  const { token: reader } = await createToken(vault, root, { policies: ['default', 'reader'] })
  const sides = {
    few: await side(postgres.url, 'few', FEW, Number(queues), vault),
    many: await side(postgres.url, 'many', Number(many), Number(queues), vault),
  }
  const list = (query: string, token: Secret) => async (app: Side) => {
    const { statusCode } = await app.http.inject({
      url: `/v1/api/job${query}`,
      headers: { 'x-auth-token': token.reveal() },
    })
    if (statusCode !== 200) throw new Error(`the list answered ${statusCode}`)
  }
  const actions = {
    'list, reads everything': list('', root),
    'list, reads one queue': list('', reader),
    'list, one queue, 100 of them': list('?limit=100&qname=queue%207', reader),
    'list, second page by cursor': async (app: Side) => list(`?cursor=${app.cursor}`, root)(app),
    'list, failed ones since an hour': list(
      `?status=failed&since=${new Date(Date.now() - 3_600_000).toISOString()}`,
      root,
    ),
    'store a submission': ({ db }: Side) => submit(db),
    'claim it': async ({ db }: Side) => {
      const [job] = await claimJobs(db, 'bench', 1, 60_000)
      if (!job) throw new Error('nothing to claim')
      await sql`update jobs set status = 'success', ended_at = now(), released_at = now() where id = ${job.id}`.execute(
        db,
      )
    },
  }
  try {
    for (const app of Object.values(sides)) {
      const first = await app.http.inject({ url: '/v1/api/job', headers: { 'x-auth-token': root.reveal() } })
      app.cursor = first.json().next
    }
    const times = Object.keys(actions).map(name => ({ name, few: [] as number[], many: [] as number[] }))
    for (let round = 0; round < ROUNDS + 10; round += 1) {
      for (const [index, action] of Object.values(actions).entries()) {
        for (const [key, app] of Object.entries(sides)) {
          const ms = await timed(() => action(app))
          if (round >= 10) times[index]?.[key as 'few' | 'many'].push(ms)
        }
      }
    }
    for (const { name, few, many: found } of times) {
      const ratio = quantile(found, 0.5) / quantile(few, 0.5)
      process.stdout.write(
        `${line(`${name}: ${FEW}`, few)}\n${line(`${name}: ${many}`, found)}   ${ratio.toFixed(2)}×\n`,
      )
    }
  } finally {
    for (const app of Object.values(sides)) {
      await app.http.close()
      await app.db.destroy()
    }
    await vault.close()
    await dev.close()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

interface Side {
  readonly db: Database
  readonly http: Awaited<ReturnType<typeof buildApp>>
  cursor: string
}

/** A database of its own with so many ended jobs, and the interface to it. */
async function side(url: string, name: string, jobs: number, queues: number, vault: Vault): Promise<Side> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  const db = openDatabase(url.replace(/^(\w+:\/\/[^/]*)\/?[^?]*/, `$1/${name}`), () => {})
  await migrate(db)
  const PART = 50_000
  for (let start = 0; start < jobs; start += PART) {
    await sql`
      insert into jobs (id, qname, status, form, image, tty, submitted_at, started_at, ended_at, released_at,
        submitter_entity, submitter_accessor_hash, node, attempt, output_bytes)
      select lpad(to_hex(n), 24, '0'), 'queue ' || n % ${queues}, case n % 10 when 0 then 'failed' else 'success' end,
        'sealed', 'busybox', false, now() - (${jobs} - n) * interval '1 second', now(), now(), now(), 'entity ' || n % 1000,
        md5((n % 1000)::text), 'node', 1, 5
      from generate_series(${start}::int, ${Math.min(start + PART, jobs) - 1}::int) n`.execute(db)
    await sql`
      insert into output (job_id, start, stream, data)
      select lpad(to_hex(n), 24, '0'), 0, 'stdout', 'hello' from generate_series(${start}::int, ${Math.min(start + PART, jobs) - 1}::int) n`.execute(
      db,
    )
  }
  await sql`vacuum analyze`.execute(db)
  const engine = {
    db,
    vault,
    log: pino({ level: 'silent' }),
    settings: {},
    identity: { state: { sealed: false } },
    meters: new Meters(),
  }
  const settings = { bodyLimit: 1024, tlsCert: null, tlsKey: null, rateLimit: 0, rateLimitOpen: 0 }
  return { db, http: await buildApp(engine as unknown as Engine, settings, { draining: false }), cursor: '' }
}

async function submit(db: Database): Promise<void> {
  const id = newJobId(new Date())
  await db.transaction().execute(async tx => {
    await insertJob(tx, {
      id,
      qname: 'queue 7',
      form: 'sealed',
      image: 'busybox',
      tty: false,
      submitterEntity: '',
      submitterAccessorHash: 'hash',
      sealedSpec: 'vault:v1:'.padEnd(1_000, 'x'),
      sealedToken: 'vault:v1:'.padEnd(100, 'x'),
      tokenAccessor: 'accessor',
      tokenRenewAt: null,
      outputLimit: 65_536,
    })
    await record(tx, { action: 'job.submitted', job: id, actor: 'bench' })
  })
}
