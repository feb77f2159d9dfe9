import { type Identities, loginRequestor, prepareVault, serverSettings } from '../src/cli/dev/prepare-vault.ts'
import { Client } from '../src/client/client.ts'
import { type DevVault, startDevVault } from '../src/dev-vault/index.ts'
import type { JobAnswer, JobSpec } from '../src/protocol/job.ts'
import { dockerRuntime } from '../src/server/runtimes/docker/docker-runtime.ts'
import type { Runtime } from '../src/server/runtimes/runtime.ts'
import { type Database, openDatabase } from '../src/server/store/database.ts'
import { Vault } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'
import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { ENGINE_SOCKET } from '../test/engine-socket.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'

export type { ServerProcess } from './server-process.ts'

/** A whole system for a test: embedded Vault, a database of its own, the real engine, and servers that are processes. */
export interface Stack {
  readonly vault: Vault
  /** Null when the tests run against a real server (WRIT_TEST_VAULT_ADDR). */
  readonly devVault: DevVault | null
  readonly root: Secret
  readonly identities: Identities
  readonly database: TestDatabase
  readonly db: Database
  readonly runtime: Runtime
  readonly image: string
  /** Starts a server process on a free port. */
  startServer(settings?: Record<string, string>): Promise<ServerProcess>
  /** A client with the token of the stack's requestor, or of another one. */
  client(server: string, token?: Secret): Client
  /** What a terminal needs to use a server with that token. */
  environment(server: string, token?: Secret): Record<string, string>
  /** A requestor with an identity of its own. */
  requestor(name: string): Promise<Secret>
  close(): Promise<void>
}

export async function startStack(engineSocket = ENGINE_SOCKET): Promise<Stack> {
  const image = await ensureBusyboxImage(engineSocket)
  const [database, devVault] = await Promise.all([createTestDatabase(), embeddedVault()])
  const vault = new Vault({ address: devVault?.address ?? process.env.WRIT_TEST_VAULT_ADDR ?? '' })
  const root = new Secret(devVault?.rootToken ?? process.env.WRIT_TEST_VAULT_TOKEN ?? '')
  const identities = await prepareVault(vault, root)
  const db = openDatabase(database.url, () => {})
  const host = `unix://${engineSocket}`
  const runtime = dockerRuntime({ host })
  const servers: ServerProcess[] = []
  const clients: Client[] = []
  return {
    vault,
    devVault,
    root,
    identities,
    database,
    db,
    runtime,
    image,
    startServer: async settings => {
      const server = await startServerProcess({
        DATABASE_URL: database.url,
        DOCKER_HOST: host,
        VAULT_ADDR: vault.address,
        WRIT_PORT: '0',
        WRIT_LEASE_MS: '1200',
        WRIT_KILL_GRACE: '1',
        WRIT_JOB_NETWORK: 'none',
        WRIT_JOB_MEMORY: String(128 * 1024 * 1024),
        WRIT_LOG_LEVEL: 'debug',
        ...serverSettings(identities),
        ...settings,
      })
      servers.push(server)
      return server
    },
    client: (server, token = identities.requestorToken) => {
      const client = new Client({ server, vault, token })
      clients.push(client)
      return client
    },
    environment: (server, token = identities.requestorToken) => ({
      WRIT_ADDR: server,
      VAULT_ADDR: vault.address,
      VAULT_TOKEN: token.reveal(),
    }),
    requestor: name => loginRequestor(vault, root, name),
    close: async () => {
      for (const client of clients) await client.close()
      for (const server of servers) await server.stop('SIGTERM')
      const jobs = await db
        .selectFrom('jobs')
        .select('id')
        .execute()
        .catch(() => [])
      for (const { id } of jobs) await runtime.remove(`writ-${id}`)
      await db.destroy()
      await runtime.close()
      await vault.close()
      await devVault?.close()
      await database.drop()
    },
  }
}

async function embeddedVault(): Promise<DevVault | null> {
  return process.env.WRIT_TEST_VAULT_ADDR ? null : await startDevVault()
}

export interface Ended {
  readonly job: JobAnswer
  readonly stdout: string
  readonly stderr: string
  readonly system: string
}

/** Follows a job to its end and then waits until it let go of everything. */
export async function untilEnded(stack: Stack, client: Client, id: string): Promise<Ended> {
  const parts: Record<'stdout' | 'stderr' | 'system', Buffer[]> = { stdout: [], stderr: [], system: [] }
  for await (const event of client.follow(id)) {
    if (event.kind === 'output') parts[event.stream].push(Buffer.from(event.data))
  }
  await until(async () => {
    const row = await stack.db.selectFrom('jobs').select('released_at').where('id', '=', id).executeTakeFirst()
    return row?.released_at != null
  })
  return {
    job: await client.get(id),
    stdout: Buffer.concat(parts.stdout).toString(),
    stderr: Buffer.concat(parts.stderr).toString(),
    system: Buffer.concat(parts.system).toString(),
  }
}

/** A job that runs a line of shell. */
export function shell(stack: Pick<Stack, 'image'>, script: string, more: JobSpec = {}): JobSpec {
  return { container_image: stack.image, run: ['sh', '-c', script], ...more }
}

/** Waits until something is so; fails after `limitMs`. */
export async function until(what: () => Promise<boolean>, limitMs = 20_000): Promise<void> {
  for (const end = Date.now() + limitMs; ; ) {
    if (await what()) return
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
