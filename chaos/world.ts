import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServerProcess, startServerProcess } from '../e2e/server-process.ts'
import { type Identities, prepareVault, serverSettings } from '../src/cli/dev/prepare-vault.ts'
import { Client } from '../src/client/client.ts'
import { type DevVault, startDevVault } from '../src/dev-vault/index.ts'
import { type Database, migrate, openDatabase } from '../src/server/store/database.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { Vault } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'
import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { EngineProxy } from '../test/engine-proxy.ts'

/** A node: its own way to the engine, and a server process that may be gone. */
export interface Node {
  readonly name: string
  readonly proxy: EngineProxy
  server: ServerProcess | null
  client: Client | null
  /** Logs of its processes that have ended. */
  logs: string
}

/** Everything that can be hurt, each part real and its own, except the engine, which is shared with others. */
export class World {
  readonly directory: string
  readonly vault: Vault
  readonly dev: DevVault
  readonly root: Secret
  readonly identities: Identities
  readonly image: string
  readonly db: Database
  readonly nodes: readonly Node[]
  readonly #deaths: string[] = []
  #postgres: EmbeddedPostgres

  private constructor(
    parts: Pick<World, 'directory' | 'vault' | 'dev' | 'identities' | 'image' | 'nodes'>,
    postgres: EmbeddedPostgres,
  ) {
    this.directory = parts.directory
    this.vault = parts.vault
    this.dev = parts.dev
    this.root = new Secret(parts.dev.rootToken)
    this.identities = parts.identities
    this.image = parts.image
    this.nodes = parts.nodes
    this.#postgres = postgres
    this.db = openDatabase(postgres.url, () => {})
  }

  static async open(count: number): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'writ-chaos-'))
    const postgres = await startEmbeddedPostgres({ directory, maxConnections: 100 })
    const dev = await startDevVault()
    const vault = new Vault({ address: dev.address })
    const identities = await prepareVault(vault, new Secret(dev.rootToken))
    const image = await ensureBusyboxImage()
    const nodes = await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const proxy = await new EngineProxy().open()
        return { name: `node ${n + 1}`, proxy, server: null, client: null, logs: '' }
      }),
    )
    const world = new World({ directory, vault, dev, identities, image, nodes }, postgres)
    await migrate(world.db)
    await world.#prepareLogins()
    await Promise.all(nodes.map(node => world.startNode(node)))
    return world
  }

  async #prepareLogins(): Promise<void> {
    const write = (path: string, body: object) => this.vault.send({ method: 'POST', path, token: this.root, body })
    await write('sys/mounts/database', { type: 'database' })
    const connection_url = this.#postgres.url
    await write('database/config/pg', {
      plugin_name: 'postgresql-database-plugin',
      connection_url,
      allowed_roles: ['*'],
    })
    await write('database/roles/chaos', {
      db_name: 'pg',
      creation_statements: [`create role "{{name}}" login password '{{password}}' valid until '{{expiration}}'`],
      default_ttl: '1h',
    })
    await write('sys/policies/acl/writ-job', {
      policy: `path "transit/decrypt/writ-job" { capabilities = ["update"] }
        path "secret/data/*" { capabilities = ["read"] }
        path "database/creds/*" { capabilities = ["read"] }`,
    })
  }

  async startNode(node: Node): Promise<void> {
    node.server = await startServerProcess({
      DATABASE_URL: this.#postgres.url,
      VAULT_ADDR: this.vault.address,
      DOCKER_HOST: node.proxy.host,
      WRIT_PORT: '0',
      WRIT_LEASE_MS: '2000',
      WRIT_KILL_GRACE: '1',
      WRIT_JOB_NETWORK: 'none',
      WRIT_CONCURRENCY: '3',
      WRIT_LOG_LEVEL: 'debug',
      // one of them has networks for jobs to come, one containers
      ...(node === this.nodes[0] ? { WRIT_NETWORK_SLOTS: '2' } : {}),
      ...(node === this.nodes[1] ? { WRIT_WARM: `${this.image}=1` } : {}),
      ...serverSettings(this.identities),
    })
    node.client = new Client({ server: node.server.address, vault: this.vault, token: this.identities.requestorToken })
  }

  async endNode(node: Node, signal: NodeJS.Signals): Promise<void> {
    const { server } = node
    if (!server) return
    node.server = null
    await server.stop(signal)
    if (server.died()) this.#deaths.push(`${node.name} ${server.died()}`)
    node.logs += `${server.log()}\n--- ended by ${signal}\n`
  }

  /** Nodes that ended by themselves, or otherwise than they were told, a line each. */
  get deaths(): readonly string[] {
    const now = this.nodes.flatMap(({ name, server }) => (server?.died() ? [`${name} ${server.died()}`] : []))
    return [...this.#deaths, ...now]
  }

  async restartDatabase(pauseMs: number): Promise<void> {
    await this.#postgres.stop()
    await new Promise(resolve => setTimeout(resolve, pauseMs))
    this.#postgres = await startEmbeddedPostgres({ directory: this.directory, maxConnections: 100 })
  }

  async close(): Promise<void> {
    for (const node of this.nodes) {
      await this.endNode(node, 'SIGTERM').catch(() => {})
      await node.proxy.close()
    }
    await this.db.destroy()
    await this.vault.close()
    await this.dev.close()
    await this.#postgres.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}
