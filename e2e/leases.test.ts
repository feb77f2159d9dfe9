import { Client } from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess
let admin: Client

// of a role's name, a login's name has eight characters
const ROLE = `e-${process.pid.toString(36)}`

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  admin = new Client({ connectionString: inject('databaseUrl') })
  await admin.connect()
  await write('sys/mounts/database', { type: 'database' })
  await write('database/config/pg', {
    plugin_name: 'postgresql-database-plugin',
    connection_url: inject('databaseUrl'),
    allowed_roles: ['*'],
  })
  await write(`database/roles/${ROLE}`, {
    db_name: 'pg',
    creation_statements: [`create role "{{name}}" login password '{{password}}' valid until '{{expiration}}'`],
    default_ttl: '12s',
    max_ttl: '1h',
  })
  await write('sys/policies/acl/writ-job', {
    policy: `path "transit/decrypt/writ-job" { capabilities = ["update"] }
      path "database/creds/*" { capabilities = ["read"] }`,
  })
})
afterAll(async () => {
  await admin.end()
  await stack.close()
})

async function write(path: string, body: object): Promise<void> {
  await stack.vault.send({ method: 'POST', path, token: stack.root, body })
}

async function logins(): Promise<string[]> {
  const { rows } = await admin.query('select rolname from pg_roles where rolname like $1', [`%${ROLE}%`])
  return rows.map(({ rolname }) => rolname)
}

async function submit(script: string): Promise<string> {
  const secret_refs = [`DB_USER@database/creds/${ROLE}.username`, `DB_PASS@database/creds/${ROLE}.password`]
  return (await stack.client(server.address).submit(shell(stack, script, { secret_refs })))._id
}

async function actions(id: string): Promise<string[]> {
  const rows = await stack.db.selectFrom('audit').select('entry').where('job_id', '=', id).orderBy('seq').execute()
  return rows.map(({ entry }) => JSON.parse(entry).action)
}

// the database of the tests is on a Unix socket, which only the embedded Vault reaches
test.skipIf(process.env.WRIT_TEST_VAULT_ADDR)(
  'a login for one job: there while it runs, renewed, gone after it',
  async () => {
    const id = await submit('grep -c DB_ /secrets.yml; sleep 14; grep DB_PASS /secrets.yml')
    await until(async () => (await logins()).length === 1)
    const { job, stdout } = await untilEnded(stack, stack.client(server.address), id)
    expect(job.status).toBe('success')
    // some of the passwords that are made need quotes in YAML
    expect(stdout).toMatch(/^2\nDB_PASS: "?\*\*\*"?\n$/)
    expect(await logins()).toEqual([])
    const seen = await actions(id)
    expect(seen.filter(action => action === 'job.secret_read')).toHaveLength(1)
    // longer than the life of its lease
    expect(seen).toContain('job.lease_renewed')
    expect(seen.filter(action => action === 'job.lease_revoked')).toHaveLength(1)
  },
)

test.skipIf(process.env.WRIT_TEST_VAULT_ADDR)(
  'kill -9 of the node in between: the next one gives the login back',
  async () => {
    const id = await submit('echo up; sleep 3')
    const client = stack.client(server.address)
    await until(async () => (await client.get(id)).output_bytes > 0)
    expect(await logins()).toHaveLength(1)
    await server.stop('SIGKILL')
    server = await stack.startServer()
    expect((await untilEnded(stack, stack.client(server.address), id)).job.status).toBe('success')
    expect(await logins()).toEqual([])
    expect((await actions(id)).filter(action => action === 'job.lease_revoked')).toHaveLength(1)
  },
)
