import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { parseSecretRef } from '../../protocol/secret-ref.ts'
import type { Secret } from '../../vault/secret.ts'
import { createToken } from '../../vault/token.ts'
import { findJob } from '../store/jobs.ts'
import { HoldLost } from '../store/runs.ts'
import { releaseJob } from './finish.ts'
import { endLeases, keepLeasesAlive, leaseHash } from './leases.ts'
import { resolveSecrets } from './secrets.ts'

let t: TestEngine
let admin: Client
let accessor: string
let token: Secret

/** A role that only this run of the file makes logins with. */
const ROLE = `lease-${process.pid}`

beforeAll(async () => {
  t = await startTestEngine()
  admin = new Client({ connectionString: inject('databaseUrl') })
  await admin.connect()
  await t.stack.write('sys/mounts/database', { type: 'database' })
  await connectTo(inject('databaseUrl'))
  await t.stack.write(`database/roles/${ROLE}`, {
    db_name: 'pg',
    creation_statements: [`create role "{{name}}" login password '{{password}}' valid until '{{expiration}}'`],
    default_ttl: '60s',
    max_ttl: '10m',
  })
  await t.stack.write('sys/policies/acl/job', { policy: 'path "database/creds/*" { capabilities = ["read"] }' })
})
beforeEach(async () => {
  const auth = await createToken(t.stack.vault, t.stack.root, { policies: ['job'] })
  accessor = auth.accessor
  token = auth.token
})
afterAll(async () => {
  await admin.end()
  await t.close()
})

async function connectTo(url: string): Promise<void> {
  const body = { plugin_name: 'postgresql-database-plugin', connection_url: url, allowed_roles: ['*'] }
  await t.stack.write('database/config/pg', { ...body, verify_connection: false })
}

const REFS = [`USER@database/creds/${ROLE}.username`, `PASS@database/creds/${ROLE}.password`].map(parseSecretRef)
const NEVER = new AbortController().signal

async function read() {
  const { hold, job } = await t.claim()
  const secrets = await resolveSecrets(t.engine, { hold, token, refs: REFS, continueOnWarnings: false })
  const [lease] = await t.engine.db.selectFrom('leases').selectAll().where('job_id', '=', hold.id).execute()
  if (!lease) throw new Error('no lease was kept')
  const user = secrets.get('USER')?.reveal() ?? ''
  return { hold, job: { ...job, token_accessor: accessor }, lease, user, pass: secrets.get('PASS')?.reveal() ?? '' }
}

async function loginsOf(user: string): Promise<{ until: Date }[]> {
  const { rows } = await admin.query('select rolvaliduntil as until from pg_roles where rolname = $1', [user])
  return rows
}

async function trail(jobId: string): Promise<{ action: string; detail?: Record<string, unknown> }[]> {
  const rows = await t.engine.db
    .selectFrom('audit')
    .select('entry')
    .where('job_id', '=', jobId)
    .orderBy('seq')
    .execute()
  return rows.map(({ entry }) => JSON.parse(entry))
}

const remove = { remove: async () => {} }

test('a dynamic credential is read once for all its references, and its lease is remembered and on record', async () => {
  const { hold, lease, user, pass } = await read()
  expect(lease.path).toBe(`database/creds/${ROLE}`)
  expect(await loginsOf(user)).toHaveLength(1)
  const entries = await trail(hold.id)
  expect(entries).toMatchObject([
    { action: 'job.secret_read', detail: { names: ['USER', 'PASS'], lease_sha256: leaseHash(lease.id) } },
  ])
  const login = new Client({ connectionString: inject('databaseUrl'), user, password: pass })
  await login.connect()
  await login.end()
})

test('it is renewed at half of its life while the job runs, with a receipt', async () => {
  const { hold, lease, user } = await read()
  const before = (await loginsOf(user))[0]?.until.getTime() ?? 0
  await keepLeasesAlive(t.engine)
  expect(await trail(hold.id)).toHaveLength(1)
  t.stack.dev.clock.advance(40_000)
  await t.engine.db
    .updateTable('leases')
    .set({ renew_at: new Date(0) })
    .where('id', '=', lease.id)
    .execute()
  await keepLeasesAlive(t.engine)
  expect((await trail(hold.id)).at(-1)).toMatchObject({
    action: 'job.lease_renewed',
    detail: { path: lease.path, lease_sha256: leaseHash(lease.id), seconds: 60 },
  })
  expect((await loginsOf(user))[0]?.until.getTime()).toBeGreaterThan(before + 30_000)
  // half of 60 seconds from now
  const { renew_at } = await t.engine.db
    .selectFrom('leases')
    .selectAll()
    .where('id', '=', lease.id)
    .executeTakeFirstOrThrow()
  expect((renew_at?.getTime() ?? 0) - Date.now()).toBeGreaterThan(25_000)
})

test('the release ends it: the login is gone from PostgreSQL, and the receipt has no lease id in it', async () => {
  const { hold, job, lease, user } = await read()
  await releaseJob(t.node('node-1', remove), job, hold, NEVER)
  expect(await loginsOf(user)).toEqual([])
  const actions = (await trail(hold.id)).map(({ action }) => action)
  expect(actions).toEqual(['job.secret_read', 'job.lease_revoked', 'job.container_removed', 'job.token_revoked'])
  expect((await findJob(t.engine.db, hold.id))?.released_at).not.toBeNull()
  const rows = await t.engine.db.selectFrom('audit').select('entry').execute()
  expect(JSON.stringify(rows)).not.toContain(lease.id)
})

test('a database that is away: the token ends at once, the job is not released before its login is gone', async () => {
  const { hold, job, user } = await read()
  await connectTo('postgresql://127.0.0.1:1/none')
  const lost = new AbortController()
  const released = releaseJob(t.node('node-1', remove), job, hold, lost.signal)
  await expect.poll(() => t.log.join('')).toContain('a job was not released; trying again')
  await expect(t.stack.vault.send({ method: 'GET', path: 'auth/token/lookup-self', token })).rejects.toMatchObject({
    kind: 'denied',
  })
  expect((await findJob(t.engine.db, hold.id))?.released_at).toBeNull()
  await connectTo(inject('databaseUrl'))
  await released
  expect(await loginsOf(user)).toEqual([])
  expect((await trail(hold.id)).filter(({ action }) => action === 'job.lease_revoked')).toHaveLength(1)
})

test('a second try of a start ends what the first one read', async () => {
  const { hold, user } = await read()
  await endLeases(t.engine, hold.id)
  expect(await loginsOf(user)).toEqual([])
})

test('a node that has lost the job keeps no lease of it', async () => {
  const { hold } = await t.claim()
  const stale = { hold: { ...hold, attempt: 0 }, token, refs: REFS, continueOnWarnings: false }
  await expect(resolveSecrets(t.engine, stale)).rejects.toThrow(HoldLost)
  expect(await t.engine.db.selectFrom('leases').selectAll().where('job_id', '=', hold.id).execute()).toEqual([])
})

test('a server without power over leases leaves them to the token, and says so', async () => {
  const { hold, job, user } = await read()
  const weak = await t.stack.token({ policies: ['weak'] })
  await t.stack.write('sys/policies/acl/weak', {
    policy: 'path "auth/token/revoke-accessor" { capabilities = ["update"] }',
  })
  const identity = { token: () => weak, doubt: async () => {}, state: { sealed: false, reason: '' } }
  const engine = { ...t.node('node-1', remove), identity } as unknown as TestEngine['engine']
  await releaseJob(engine, job, hold, NEVER)
  expect((await trail(hold.id)).map(({ action }) => action)).toContain('job.lease_left_to_token')
  await expect.poll(() => loginsOf(user)).toEqual([])
})

test('a record that still has a lease cannot be deleted', async () => {
  const { hold } = await read()
  await expect(t.engine.db.deleteFrom('jobs').where('id', '=', hold.id).execute()).rejects.toThrow('leases_job_id_fkey')
})
