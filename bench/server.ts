import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { prepareVault, serverSettings } from '../src/cli/dev/prepare-vault.ts'
import { Client } from '../src/client/client.ts'
import { startDevVault } from '../src/dev-vault/index.ts'
import type { JobSpec } from '../src/protocol/job.ts'
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { Vault } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'
import { ENGINE_SOCKET } from '../test/engine-socket.ts'
import { cpuMs } from './processor.ts'
import { RawContainers } from './raw-container.ts'

export interface BenchServer {
  readonly address: string
  readonly databaseUrl: string
  /** May do everything. */
  readonly root: Secret
  readonly client: Client
  /** The baseline on the same engine. */
  readonly raw: RawContainers
  /** Resident memory of the server. */
  megabytes(): number
  /** What the server has used of the processors since its start, in ms. */
  cpuMs(): number
  /** A sealed job from its sealing to its final state. `onOutput` hears of the first byte. */
  job(spec: JobSpec, onOutput?: () => void): Promise<void>
  close(): Promise<void>
}

/**
 * A server runs for weeks: what its first jobs take, in code that is not compiled yet, is not what is asked here. Its processor time for a
 * job is 24 ms in the first 60, 15 in the next, 14 after 240 and 12 after 600.
 */
const WARM_UP = 120
const AT_ONCE = 4

/** Runs jobs until server and client are warm. `one` gets a number for a queue of its own. */
export async function warmUp(one: (queue: number) => Promise<unknown>): Promise<void> {
  await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, queue) => {
      for (let i = 0; i < WARM_UP / AT_ONCE; i += 1) await one(queue)
    }),
  )
}

/**
 * The built server, as it is installed, on embedded parts: a process of its own, as the database is; the embedded Vault is in this
 * process, beside the client.
 */
export async function startBenchServer(settings: Readonly<Record<string, string>>): Promise<BenchServer> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-bench-'))
  const postgres = await startEmbeddedPostgres({ directory })
  const devVault = await startDevVault()
  const vault = new Vault({ address: devVault.address })
  const identities = await prepareVault(vault, new Secret(devVault.rootToken))
  const server = spawn(process.execPath, ['dist/cli/main.js', 'server'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: postgres.url,
      VAULT_ADDR: devVault.address,
      WRIT_PORT: '0',
      ...serverSettings(identities),
      ...settings,
    },
  })
  const address = await new Promise<string>((resolve, reject) => {
    server.once('close', code => reject(new Error(`the server ended with ${code}`)))
    createInterface(server.stdout).on('line', text => {
      const found = /"address":"([^"]+)"/.exec(text)?.[1]
      if (found) resolve(found)
    })
  })
  const client = new Client({ server: address, vault, token: identities.requestorToken })
  const raw = new RawContainers(ENGINE_SOCKET)
  return {
    address,
    databaseUrl: postgres.url,
    root: new Secret(devVault.rootToken),
    client,
    raw,
    megabytes: () => residentMegabytes(server.pid ?? 0),
    cpuMs: () => cpuMs(server.pid ?? 0),
    async job(spec, onOutput) {
      const { _id } = await client.submit(spec)
      let heard = onOutput
      for await (const event of client.follow(_id)) {
        if (event.kind === 'output') {
          heard?.()
          heard = undefined
        } else if (event.kind === 'end' && event.status !== 'success') throw new Error(event.status)
      }
    },
    async close() {
      await client.close()
      await raw.close()
      server.kill('SIGTERM')
      await once(server, 'close')
      await vault.close()
      await devVault.close()
      await postgres.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kilobytes) / 1024)
}
