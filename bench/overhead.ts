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
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { Vault } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'
import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { line, quantile, timed } from './figures.ts'
import { RawContainers } from './raw-container.ts'

/**
 * What a sealed job costs over the bare container: `true` in a warm image, from the submission to its final state, alternating with
 * the raw engine API. The server is the built one, as it is installed. The physical limit is the engine's own time; all above it is ours.
 */
export async function bench([rounds = '60', network = 'none']: string[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-bench-'))
  const postgres = await startEmbeddedPostgres({ directory })
  const devVault = await startDevVault()
  const vault = new Vault({ address: devVault.address })
  const identities = await prepareVault(vault, new Secret(devVault.rootToken))
  const image = await ensureBusyboxImage()
  const server = spawn(process.execPath, ['dist/cli/main.js', 'server'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: postgres.url,
      VAULT_ADDR: devVault.address,
      WRIT_PORT: '0',
      WRIT_JOB_NETWORK: network,
      ...serverSettings(identities),
    },
  })
  const address = await new Promise<string>(resolve => {
    createInterface(server.stdout).on('line', text => {
      const found = /"address":"([^"]+)"/.exec(text)?.[1]
      if (found) resolve(found)
    })
  })
  const client = new Client({ server: address, vault, token: identities.requestorToken })
  const raw = new RawContainers((process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace('unix://', ''))
  const spec = { container_image: image, run: ['true'] }
  const job = async () => {
    const { _id } = await client.submit(spec)
    for await (const event of client.follow(_id))
      if (event.kind === 'end' && event.status !== 'success') throw new Error(event.status)
  }
  try {
    await new Promise(resolve => setTimeout(resolve, 1_000))
    const idle = residentMegabytes(server.pid ?? 0)
    for (let i = 0; i < 5; i += 1) {
      await job()
      await raw.remove(await raw.run(image, ['true'], network))
    }
    const ours: number[] = []
    const theirs: number[] = []
    for (let i = 0; i < Number(rounds); i += 1) {
      let name = ''
      theirs.push(
        await timed(async () => {
          name = await raw.run(image, ['true'], network)
        }),
      )
      await raw.remove(name)
      ours.push(await timed(job))
    }
    const differences = ours.map((ms, i) => ms - (theirs[i] ?? 0))
    const text = [
      `${rounds} rounds, network ${network}, warm image, one at a time`,
      line('raw engine API', theirs),
      line('sealed job, from sealing to its end', ours),
      line('difference of the pairs', differences),
      `ratio of the medians  ${(quantile(ours, 0.5) / quantile(theirs, 0.5)).toFixed(2)}`,
      `server RSS: idle ${idle} MB, after ${ours.length + 5} jobs ${residentMegabytes(server.pid ?? 0)} MB`,
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await client.close()
    await raw.close()
    server.kill('SIGTERM')
    await once(server, 'close')
    await vault.close()
    await devVault.close()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kilobytes) / 1024)
}
