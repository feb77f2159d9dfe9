import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { databaseName } from '../test/database-name.ts'
import { Terminal } from './command.ts'
import { type Stack, shell, startStack } from './stack.ts'

const PAGE = readFileSync('docs/database-credentials.md', 'utf8')
const block = (language: string, containing = '') =>
  [...PAGE.matchAll(/^```(\w*)\n(.*?)^```$/gms)].find(
    ([, found, text]) => found === language && text?.includes(containing),
  )?.[2] ?? ''

/** In place of the page's `writ` and `vault`: users and databases are those of the whole PostgreSQL. */
const WRIT = databaseName()
const VAULT = `vault_${WRIT}`
const OLD = `old_${WRIT}`
const here = (text: string) =>
  text
    .replace(/\bwrit\b/g, WRIT)
    .replace(/\bvault\b/g, VAULT)
    .replace(/\bold_user\b/g, OLD)

let stack: Stack
let admin: Client

beforeAll(async () => {
  stack = await startStack()
  admin = await connect(inject('databaseUrl'))
})
afterAll(async () => {
  await admin.query(`drop database if exists ${WRIT} with (force)`)
  for (const role of [VAULT, WRIT, OLD]) await admin.query(`drop role if exists ${role}`)
  await admin.end()
  await stack.close()
})

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}

/** The address of a database on the server of the tests, with another user or none. */
const addressOf = (user: string) =>
  inject('databaseUrl')
    .replace(/\/\/[^/]*\/[^?]*/, `//${user}/${WRIT}`)
    .replace(/([?&])user=[^&]*&?/, '$1')

/** What the `vault` commands of the page ask for, by HTTP. */
async function runVaultCommands(script: string): Promise<number> {
  const commands = [
    ...script.matchAll(/^vault (write|secrets enable) (?:-f )?(\S+)(?: - <<'EOF'\n(.*?)^EOF$|([^\n]*)$)/gms),
  ]
  for (const [, verb, path = '', json, fields = ''] of commands) {
    const pairs = [...here(fields).matchAll(/(\w+)=('[^']*'|\S+)/g)].map(
      ([, name = '', value = '']) => [name, value.replaceAll("'", '')] as const,
    )
    const given = json ? JSON.parse(here(json)) : Object.fromEntries(pairs)
    if (given.connection_url) given.connection_url = addressOf('{{username}}:{{password}}@')
    const call =
      verb === 'write' ? { path: here(path), body: given } : { path: `sys/mounts/${path}`, body: { type: path } }
    await stack.vault.send({ method: 'POST', token: stack.root, ...call })
  }
  return commands.length
}

// the database of the tests is on a Unix socket, which only the embedded Vault reaches
test.skipIf(process.env.WRIT_TEST_VAULT_ADDR)('docs/database-credentials.md, from top to bottom', async () => {
  for (const statement of here(block('sql', 'CREATE ROLE')).trim().split('\n')) await admin.query(statement)
  const own = await connect(
    addressOf('app@').replace('//app@', inject('databaseUrl').match(/\/\/[^/@]*@/)?.[0] ?? '//'),
  )
  try {
    await own.query(`create role ${OLD}`)
    await own.query('create table old_table ()')
    await own.query(`alter table old_table owner to ${OLD}`)
    await own.query(here(block('sql', 'REASSIGN')))

    expect(await runVaultCommands(block('sh', 'vault write'))).toBe(4)
    const terminal = await Terminal.open({ VAULT_ADDR: stack.vault.address, VAULT_TOKEN: stack.root.reveal() })
    const setUp = block('sh', 'vault-setup').replace('creds/writ', `creds/${WRIT}`)
    expect(await terminal.shell(setUp)).toMatchObject({ code: 0 })

    const gate = block('sh', 'vault-setup --gate').replace('creds/writ', `creds/${WRIT}`)
    expect(await terminal.shell(gate)).toMatchObject({ code: 0, stdout: expect.stringContaining('WRIT_ROLE_ID=') })

    const settings = Object.fromEntries(
      block('env')
        .trim()
        .split('\n')
        .map(line => line.split('=', 2) as [string, string]),
    )
    expect(settings.DATABASE_URL).toBe('postgres://db.example.com/writ')
    const server = await stack.startServer({
      DATABASE_URL: addressOf(''),
      WRIT_DATABASE_CREDS: (settings.WRIT_DATABASE_CREDS ?? '').replace('creds/writ', `creds/${WRIT}`),
    })
    const { rows: users } = await own.query(
      `select distinct usename as name from pg_stat_activity where application_name like 'writ%' and datname = current_database()`,
    )
    expect(users).toEqual([{ name: expect.stringMatching(/^v-approle-/) }])
    const client = stack.client(server.address)
    const { _id } = await client.submit(shell(stack, 'echo ran'))
    for await (const event of client.follow(_id)) expect(event).toBeDefined()
    expect(await client.get(_id)).toMatchObject({ status: 'success', output: 'ran\n' })
    const { rows: owners } = await own.query(
      `select tableowner as owner, count(*)::int as tables from pg_tables where schemaname = 'public' group by 1`,
    )
    expect(owners).toEqual([{ owner: WRIT, tables: expect.any(Number) }])

    // an operator's revocation cuts the connections as well
    await stack.vault.send({
      method: 'POST',
      path: `sys/leases/revoke-prefix/database/creds/${WRIT}`,
      token: stack.root,
      body: {},
    })
    const { rows: left } = await own.query('select 1 from pg_stat_activity where usename = $1', [users[0]?.name])
    expect(left).toEqual([])
    await server.stop('SIGTERM')
    const { rows: logins } = await own.query(`select 1 from pg_auth_members join pg_roles on pg_roles.oid = member
      where roleid = '${WRIT}'::regrole and rolname <> '${VAULT}'`)
    expect(logins).toEqual([])
  } finally {
    await own.end()
  }
})
