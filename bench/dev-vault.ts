import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Pool } from 'undici'
import { line, quantile, timed } from './figures.ts'

const ROUNDS = 5
const STARTS = 10
const TOKEN = 'bench'

/** The floor: what Node's own HTTP server needs to answer the same client with a text of the same length that is always the same. */
const BARE = `
const body = JSON.stringify({ data: 'x'.repeat(600) })
const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length }
const server = require('node:http').createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(200, headers).end(body))
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ vault: 'http://127.0.0.1:' + server.address().port })))`

const OURS = ['dist/cli/main.js', 'dev-vault', '--json', '--listen', '127.0.0.1:0', '--root-token', TOKEN]

/**
 * The embedded Vault, built and in a process of its own, against a bare server with the same client, in turns: starting, looking
 * up a token, making wrapped ones; and what many tokens weigh.
 */
export async function bench([connections = '16', tokens = '100000']: string[]): Promise<void> {
  const starts = await startTimes()
  const [bare, ours] = [await start(['-e', BARE]), await start(OURS)]
  const width = Number(connections)
  const clients = {
    bare: new Pool(bare.address, { connections: width }),
    ours: new Pool(ours.address, { connections: width }),
  }
  const lookup = { method: 'GET', path: '/v1/auth/token/lookup-self', headers: { 'x-vault-token': TOKEN } } as const
  const create = {
    method: 'POST',
    path: '/v1/auth/token/create',
    headers: { 'x-vault-token': TOKEN },
    body: '{"policies":["default"],"ttl":"24h"}',
  } as const
  const wrapped = { ...create, headers: { ...create.headers, 'x-vault-wrap-ttl': '3600' } }
  try {
    const rates = { lookup: [0, 0], wrapped: [0, 0] }
    for (const [name, request] of Object.entries({ lookup, wrapped })) {
      const [floor, found]: [number[], number[]] = [[], []]
      // The first round of each warms up.
      for (let round = 0; round <= ROUNDS; round += 1) {
        floor.push(await rate(clients.bare, request, width, 5_000))
        found.push(await rate(clients.ours, request, width, 5_000))
      }
      rates[name as keyof typeof rates] = [quantile(floor.slice(1), 0.5), quantile(found.slice(1), 0.5)]
    }
    const before = megabytes(ours.child)
    await rate(clients.ours, create, width, Number(tokens))
    const after = megabytes(ours.child)
    const text = [
      `${width} connections, medians of ${ROUNDS} rounds of 5000 requests in turns`,
      line('start of the command: bare node:http', starts.bare),
      line('start of the command: writ dev-vault', starts.ours),
      line('start within a process: startDevVault', starts.inProcess),
      perSecond('lookup-self', rates.lookup),
      perSecond('wrapped token creation', rates.wrapped),
      `${tokens} tokens: RSS ${before} MB before, ${after} MB after: ${after - before} MB`,
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await Promise.all([clients.bare.close(), clients.ours.close()])
    await Promise.all([bare, ours].map(({ child }) => end(child)))
  }
}

type Request = Parameters<Pool['request']>[0]

/** Requests a second, with as many under way as there are connections. */
async function rate(pool: Pool, request: Request, width: number, count: number): Promise<number> {
  let left = count
  const work = async () => {
    while (left > 0) {
      left -= 1
      const { statusCode, body } = await pool.request(request)
      await body.dump()
      if (statusCode !== 200) throw new Error(`${request.path}: ${statusCode}`)
    }
  }
  const milliseconds = await timed(() => Promise.all(Array.from({ length: width }, work)))
  return (count / milliseconds) * 1000
}

function perSecond(name: string, [floor = 0, ours = 0]: readonly number[]): string {
  const figures = `${Math.round(ours)}/s   bare ${Math.round(floor)}/s   ratio ${(ours / floor).toFixed(2)}`
  return `${name.padEnd(44)} ${figures}`
}

async function startTimes() {
  const { startDevVault } = (await import(
    '../dist/dev-vault/index.js' as string
  )) as typeof import('../src/dev-vault/index.ts')
  const times: Record<'bare' | 'ours' | 'inProcess', number[]> = { bare: [], ours: [], inProcess: [] }
  for (let i = 0; i < STARTS; i += 1) {
    for (const [name, args] of [['bare', ['-e', BARE]] as const, ['ours', OURS] as const]) {
      let child: ChildProcess | undefined
      times[name].push(
        await timed(async () => {
          child = (await start(args)).child
        }),
      )
      if (child) await end(child)
    }
    let vault: Awaited<ReturnType<typeof startDevVault>> | undefined
    times.inProcess.push(
      await timed(async () => {
        vault = await startDevVault()
        await (await fetch(`${vault.address}/v1/sys/health`)).json()
      }),
    )
    await vault?.close()
  }
  return times
}

async function start(args: readonly string[]): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = (await once(createInterface(child.stdout), 'line')) as [string]
  return { child, address: (JSON.parse(text) as { vault: string }).vault }
}

async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  await closed
}

function megabytes({ pid }: ChildProcess): number {
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024)
}
