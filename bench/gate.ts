import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { Pool } from 'undici'
import { line, timed } from './figures.ts'

const TOKEN = 'bench'
/** No wrap ends while it is measured: what Vault then does for each is in whichever turn it falls, and on a slow machine it was most of its work. */
const WRAP = '1h'
/**
 * Many short turns, and what counts is all of them together. With 5 turns of 3000 requests each one gate came to 1.12 and 1.25 times
 * Vault's rate, with 60 of 250 to 0.75 to 0.85, and with these to 0.79 to 0.86 in seven: Vault collects its garbage seldom and for long, so it did in one side's turns.
 */
const ROUNDS = 120
const REQUESTS = 500
/**
 * A gate runs for weeks: what its first tens of thousands of requests cost, before they are compiled, is not what is asked here. Of two
 * gates in one run a token took 0.27 and 0.16 ms of processor time after 20,000 of them, 0.18 and 0.14 after 25,000, 0.17 and 0.15 after
 * 30,000, and 0.12 to 0.13 each from 40,000 on: most of what is run once for each token is optimized at about the same time
 * (`--trace-opt`: a hundred functions, more than a second of compiling).
 */
const WARM_UP = { vault: 5_000, gate: 45_000 }

/**
 * The gate alone, with the scheduler `test`, against Vault's own making of wrapped tokens with the same client, in turns: what being
 * verified, and being served once, costs. And what an idle gate weighs. `npm run bench -- gate [CLIENTS] [BAO]`: with the path of a
 * `bao` or `vault` the real server in its development mode, else dev-vault in another process.
 */
export async function bench([connections = '16', binary = '']: string[]): Promise<void> {
  const width = Number(connections)
  const vault = await startVault(binary)
  const direct = new Pool(vault.address, { connections: width })
  const headers = { 'x-vault-token': TOKEN, 'x-vault-wrap-ttl': WRAP, 'content-type': 'application/json' }
  const policy = { '*': { policies: ['default'], ttl: 600 } }
  const body = JSON.stringify({ data: policy })
  await send(direct, { method: 'POST', path: '/v1/secret/data/gatekeeper', headers: { 'x-vault-token': TOKEN }, body })
  const gate = await start(
    process.execPath,
    ['dist/cli/main.js', 'gate', '-listen', '127.0.0.1:0', '-provider', 'test', '-log-level', 'info'],
    /"address":"([^"]+)"/,
    {
      VAULT_ADDR: vault.address,
      VAULT_TOKEN: TOKEN,
      WRIT_GATE_RATE_LIMIT: '0',
      WRIT_GATE_WRAP_TTL: WRAP,
      TASK_LIFE: WRAP,
    },
  )
  const through = new Pool(gate.address, { connections: width })
  await new Promise(done => setTimeout(done, 3_000))
  console.log(`idle gate: ${rssOf(gate.child)} MB`)
  const wanted = JSON.stringify({ ttl: '10m0s', policies: ['default'], num_uses: 0, no_parent: true, renewable: true })
  let n = 0
  const create = () => send(direct, { method: 'POST', path: '/v1/auth/token/create', headers, body: wanted })
  const ask = () => send(through, { method: 'POST', path: '/token', body: JSON.stringify({ task_id: `task-${n++}` }) })
  await Promise.all([crowd(width, WARM_UP.vault, create), crowd(width, WARM_UP.gate, ask)])
  const ms = { vault: 0, gate: 0 }
  const samples = { vault: [] as number[], gate: [] as number[] }
  const spent = { vault: new Spent(gate.child, vault.child), gate: new Spent(gate.child, vault.child) }
  for (let round = 0; round < ROUNDS; round++) {
    const turns = [['vault', create] as const, ['gate', ask] as const]
    for (const [name, action] of round % 2 ? turns : turns.reverse()) {
      spent[name].start()
      ms[name] += await timed(async () => samples[name].push(...(await crowd(width, REQUESTS, action))))
      spent[name].stop()
    }
  }
  const rate = (name: 'vault' | 'gate') => (ROUNDS * REQUESTS * 1_000) / ms[name]
  console.log(line(`Vault's own wrapped token, ${width} clients`, samples.vault))
  console.log(line(`a task's token from the gate, ${width} clients`, samples.gate))
  console.log(`tokens a second: Vault ${rate('vault').toFixed(0)}, gate ${rate('gate').toFixed(0)}`)
  console.log(`ratio ${(rate('gate') / rate('vault')).toFixed(2)}`)
  console.log(`processor time for a token, ms: Vault alone ${spent.vault}; with the gate ${spent.gate}`)
  console.log(`gate afterwards: ${rssOf(gate.child)} MB`)
  process.exit(0)
}

async function crowd(width: number, count: number, action: () => Promise<unknown>): Promise<number[]> {
  const samples: number[] = []
  let left = count
  const client = async () => {
    while (left-- > 0) samples.push(await timed(action))
  }
  await Promise.all(Array.from({ length: width }, client))
  return samples
}

async function send(
  pool: Pool,
  request: Omit<Parameters<Pool['request']>[0], 'path'> & { path: string },
): Promise<void> {
  const answer = await pool.request(request)
  const text = await answer.body.text()
  if (answer.statusCode >= 300) throw new Error(text)
}

/** Processor time of each process that takes part, for a token. */
class Spent {
  readonly #processes: readonly (readonly [string, () => number])[]
  readonly #sums: number[]
  #began: number[] = []
  #rounds = 0

  constructor(gate: ChildProcess, vault: ChildProcess) {
    const own = () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1_000
    }
    this.#processes = [
      ['client', own],
      ['gate', () => cpuOf(gate)],
      ['Vault', () => cpuOf(vault)],
    ]
    this.#sums = this.#processes.map(() => 0)
  }

  start(): void {
    this.#began = this.#processes.map(([, read]) => read())
  }

  stop(): void {
    for (const [n, [, read]] of this.#processes.entries()) {
      this.#sums[n] = (this.#sums[n] ?? 0) + read() - (this.#began[n] ?? 0)
    }
    this.#rounds += 1
  }

  toString(): string {
    const each = (n: number) => ((this.#sums[n] ?? 0) / (this.#rounds * REQUESTS)).toFixed(2)
    return this.#processes.map(([name], n) => `${name} ${each(n)}`).join(', ')
  }
}

async function startVault(binary: string) {
  if (!binary) {
    const args = ['dist/cli/main.js', 'dev-vault', '--json', '--listen', '127.0.0.1:0', '--root-token', TOKEN]
    return await start(process.execPath, args, /"vault":"([^"]+)"/)
  }
  const listen = `-dev-listen-address=127.0.0.1:${await freePort()}`
  const args = ['server', '-dev', `-dev-root-token-id=${TOKEN}`, '-dev-no-store-token', listen, '-log-level=error']
  return await start(binary, args, /VAULT_ADDR='([^']+)'|BAO_ADDR='([^']+)'/)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function start(command: string, args: string[], ready: RegExp, env: Record<string, string> = {}) {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, HOME: tmpdir(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.on('exit', () => child.kill('SIGKILL'))
  let seen = ''
  const address = await new Promise<string>((done, failed) => {
    const look = (chunk: Buffer) => {
      seen += chunk
      const found = ready
        .exec(seen)
        ?.slice(1)
        .find(text => text)
      if (!found) return
      done(found)
      // from here on its log is only read: searching it was a part of what a client seemed to cost
      child.stdout.off('data', look).resume()
    }
    child.stdout.on('data', look)
    child.once('exit', () => failed(new Error(seen)))
  })
  return { child, address }
}

function rssOf(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
}

/** Milliseconds of processor time so far; Linux counts in hundredths of a second. */
function cpuOf(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}
