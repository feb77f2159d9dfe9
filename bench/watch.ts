import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { prepareVault, serverSettings } from '../src/cli/dev/prepare-vault.ts'
import { startDevVault } from '../src/dev-vault/index.ts'
import { openDatabase } from '../src/server/store/database.ts'
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { Vault } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'

const PERIOD = 300
const IDLE_MS = 15_000
/** Of /proc/PID/stat: clock ticks a second, which is 100 wherever Linux runs. */
const TICKS = 100

/**
 * What it costs to watch: a node with so many repositories, each looked at every five minutes and unchanged, as part of one core. The
 * baseline is `git ls-remote` alone, as often, without any of our settings and without us. Repositories are folders of this machine:
 * what a network adds is the same for both.
 */
export async function bench([repositories = '1000', seconds = '60']: string[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-bench-watch-'))
  const first = join(directory, '0.git')
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', input: '' }).trim()
  git('init', '-q', '--bare', '--template=', first)
  const people = ['-c', 'user.name=x', '-c', 'user.email=x@example.com']
  const commit = git('--git-dir', first, ...people, 'commit-tree', '-m', 'x', git('--git-dir', first, 'mktree'))
  git('--git-dir', first, 'update-ref', 'refs/heads/main', commit)
  const count = Number(repositories)
  for (let i = 1; i < count; i += 1) cpSync(first, join(directory, `${i}.git`), { recursive: true })

  const postgres = await startEmbeddedPostgres({ directory: mkdtempSync(join(tmpdir(), 'writ-bench-')) })
  const dev = await startDevVault()
  const vault = new Vault({ address: dev.address })
  const identities = await prepareVault(vault, new Secret(dev.rootToken))
  const server = spawn(process.execPath, ['dist/cli/main.js', 'server'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: postgres.url,
      VAULT_ADDR: dev.address,
      WRIT_PORT: '0',
      WRIT_LOG_LEVEL: 'info',
      WRIT_WATCH_PROTOCOLS: 'file',
      WRIT_WATCH_CACHE: join(directory, 'cache'),
      ...serverSettings(identities),
    },
  })
  await new Promise<void>(resolve => {
    createInterface(server.stdout).on('line', text => {
      if (/"address":/.test(text)) resolve()
    })
  })
  const db = openDatabase(postgres.url, () => {})
  try {
    const configuration = JSON.stringify({
      git_branch_name: 'main',
      git_poll_period: PERIOD,
      required_number_of_verified_signatures_on_commit: 0,
      initial_last_successful_commit: commit,
      docker_image: `x@sha256:${'0'.repeat(64)}`,
      commands: ['true'],
    })
    await sleep(3_000)
    const idleFrom = cpuSeconds(server.pid ?? 0)
    await sleep(IDLE_MS)
    const idle = difference(cpuSeconds(server.pid ?? 0), idleFrom)
    await sql`
      insert into watches (name, spelling, configuration)
      select 'w' || i, 'w' || i, ${configuration}::jsonb || jsonb_build_object('git_repo_url', ${directory}::text || '/' || i || '.git')
      from generate_series(0, ${count - 1}::int) i`.execute(db)
    // the first look makes the copy, and there is one in the life of a watch
    while ((await looks(db)) < count) await sleep(500)
    // from then on spread over the period, as watches are that were made one by one
    await sql`
      update watches set polled_at = null, next_poll_at = now() + substr(name, 2)::int * interval '1 second' * ${PERIOD}::float / ${count}::int
      where name ~ '^w[0-9]'`.execute(db)
    await sleep(3_000)
    const before = cpuSeconds(server.pid ?? 0)
    const looksBefore = await looks(db)
    await sleep(Number(seconds) * 1000)
    const used = difference(cpuSeconds(server.pid ?? 0), before)
    const made = (await looks(db)) - looksBefore

    const bare = cpuSeconds(process.pid)
    for (let i = 0; i < made; i += 1) git('ls-remote', '--', join(directory, `${i % count}.git`), 'refs/heads/main')
    const baseline = difference(cpuSeconds(process.pid), bare)
    const part = (value: number) => `${((100 * value) / Number(seconds)).toFixed(2)} % of a core`
    process.stdout.write(
      [
        `${count} repositories every ${PERIOD} s, ${made} looks in ${seconds} s`,
        `node and git            ${part(used.own + used.children)}`,
        `  of which git          ${part(used.children)}`,
        `a node with no watch    ${((idle.own * 100_000) / IDLE_MS).toFixed(2)} % of a core`,
        `git ls-remote alone     ${part(baseline.children)}`,
        `ratio                   ${((used.own + used.children) / baseline.children).toFixed(2)}`,
        '',
      ].join('\n'),
    )
  } finally {
    server.kill()
    await db.destroy()
    await vault.close()
    await dev.close()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

interface Cpu {
  readonly own: number
  /** Of processes that have ended and were waited for. */
  readonly children: number
}

function cpuSeconds(pid: number): Cpu {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ').map(Number) ?? []
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
  return { own: (user + system) / TICKS, children: (childUser + childSystem) / TICKS }
}

function difference(after: Cpu, before: Cpu): Cpu {
  return { own: after.own - before.own, children: after.children - before.children }
}

async function looks(db: ReturnType<typeof openDatabase>): Promise<number> {
  const { rows } = await sql<{ looks: number }>`select count(polled_at)::int as looks from watches`.execute(db)
  return rows[0]?.looks ?? 0
}
