import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Pool } from 'undici'
import { line, timed } from './figures.ts'

const TOKEN = 'bench'
const ROUNDS = 5
const REQUESTS = 1_000

/**
 * The gate alone, with the scheduler `test`, against Vault's own making of wrapped tokens with the same client, in turns: what being
 * verified, and being served once, costs. And what an idle gate weighs.
 */
export async function bench([connections = '16']: string[]): Promise<void> {
  const width = Number(connections)
  const vault = await start(
    ['dev-vault', '--json', '--listen', '127.0.0.1:0', '--root-token', TOKEN],
    /"vault":"([^"]+)"/,
  )
  const direct = new Pool(vault.address, { connections: width })
  const headers = { 'x-vault-token': TOKEN, 'x-vault-wrap-ttl': '120', 'content-type': 'application/json' }
  const policy = { '*': { policies: ['default'], ttl: 600 } }
  const body = JSON.stringify({ data: policy })
  await send(direct, { method: 'POST', path: '/v1/secret/data/gatekeeper', headers: { 'x-vault-token': TOKEN }, body })
  const gate = await start(
    ['gate', '-listen', '127.0.0.1:0', '-provider', 'test', '-log-level', 'info'],
    /"address":"([^"]+)"/,
    {
      VAULT_ADDR: vault.address,
      VAULT_TOKEN: TOKEN,
      WRIT_GATE_RATE_LIMIT: '0',
    },
  )
  const through = new Pool(gate.address, { connections: width })
  await new Promise(done => setTimeout(done, 3_000))
  console.log(`idle gate: ${rssOf(gate.child)} MB`)
  const wanted = JSON.stringify({ ttl: '10m0s', policies: ['default'], num_uses: 0, no_parent: true, renewable: true })
  let n = 0
  const create = () => send(direct, { method: 'POST', path: '/v1/auth/token/create', headers, body: wanted })
  const ask = () => send(through, { method: 'POST', path: '/token', body: JSON.stringify({ task_id: `task-${n++}` }) })
  await Promise.all([crowd(width, 500, create), crowd(width, 500, ask)])
  const before = cpuOf(gate.child)
  const rates = { vault: [] as number[], gate: [] as number[] }
  const samples = { vault: [] as number[], gate: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, action] of [
      ['vault', create],
      ['gate', ask],
    ] as const) {
      const ms = await timed(async () => samples[name].push(...(await crowd(width, REQUESTS, action))))
      rates[name].push(REQUESTS / (ms / 1000))
    }
  }
  const cpu = (cpuOf(gate.child) - before) / (ROUNDS * REQUESTS)
  const mid = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN
  console.log(line(`Vault's own wrapped token, ${width} clients`, samples.vault))
  console.log(line(`a task's token from the gate, ${width} clients`, samples.gate))
  console.log(`tokens a second: Vault ${mid(rates.vault).toFixed(0)}, gate ${mid(rates.gate).toFixed(0)}`)
  console.log(`ratio ${(mid(rates.gate) / mid(rates.vault)).toFixed(2)}`)
  console.log(`processor time of the gate for a token: ${cpu.toFixed(2)} ms`)
  console.log(`gate afterwards: ${rssOf(gate.child)} MB`)
  for (const { child } of [gate, vault]) child.kill('SIGKILL')
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

async function start(args: string[], ready: RegExp, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['dist/cli/main.js', ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let seen = ''
  const address = await new Promise<string>((done, failed) => {
    child.stdout.on('data', (chunk: Buffer) => {
      if (seen.length < 10_000) seen += chunk
      const found = ready.exec(seen)?.[1]
      if (found) done(found)
    })
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
