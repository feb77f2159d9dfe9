import { createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { request } from 'undici'
import { openDatabase } from '../src/server/store/database.ts'
import { busyboxEntries, tarOf } from '../test/busybox-image.ts'
import { GitRepository } from '../test/repositories/git-repository.ts'
import { TinyRegistry } from '../test/tiny-registry.ts'
import { line, quantile } from './figures.ts'
import { startBenchServer } from './server.ts'

const PERIOD_S = 2
/** How exactly a start is seen. */
const GLANCE_MS = 5

/**
 * How soon a push becomes a job that runs: from the moment at which the branch has the commit, with a webhook and without. Among it:
 * asking the repository, fetching the commit, judging it twice, and the start of a container. The baseline, in turns: a job of the
 * same image on the same engine, from the moment at which its submission was accepted.
 */
export async function bench([rounds = '30']: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-bench-push-'))
  const repository = new GitRepository(folder)
  const registry = new TinyRegistry()
  await registry.listen()
  const digest = registry.offer('1', await tarOf(busyboxEntries()))
  const image = `${registry.host}/busybox:1@${digest}`
  const server = await startBenchServer({
    WRIT_WATCH_PROTOCOLS: 'file',
    WRIT_WATCH_CACHE: join(folder, 'cache'),
    WRIT_JOB_NETWORK: 'none',
  })
  const db = openDatabase(server.databaseUrl, () => {})
  const secret = randomBytes(16).toString('hex')

  async function write(path: string, body: object): Promise<void> {
    const headers = { 'x-vault-token': server.root.reveal() }
    const answer = await request(`${server.address}/v1/${path}`, { method: 'PUT', headers, body: JSON.stringify(body) })
    const said = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`${path}: ${said}`)
  }

  async function watch(name: string, period: string): Promise<void> {
    await write(`sys/mounts/${name}`, { type: 'flant_gitops' })
    await write(`${name}/configure/webhook`, { secret })
    await write(`${name}/configure`, {
      git_repo_url: repository.path,
      git_branch_name: name,
      git_poll_period: period,
      docker_image: image,
      commands: ['sleep 0.2'],
    })
  }

  const tips = new Map<string, string[]>()
  function push(name: string): void {
    const tip = repository.commit(repository.tree({ data: randomBytes(8).toString('hex') }), tips.get(name) ?? [])
    tips.set(name, [tip])
    repository.ref(`refs/heads/${name}`, tip)
  }

  async function announce(name: string): Promise<void> {
    const body = JSON.stringify({ ref: `refs/heads/${name}` })
    const signature = createHmac('sha256', secret).update(body).digest('hex')
    const headers = { 'x-hub-signature-256': `sha256=${signature}`, 'content-type': 'application/json' }
    const answer = await request(`${server.address}/v1/${name}/webhook`, { method: 'POST', headers, body })
    await answer.body.dump()
    if (answer.statusCode !== 202) throw new Error(`the webhook was answered with ${answer.statusCode}`)
  }

  const started = async (qname: string): Promise<number> => {
    const { rows } = await sql<{ n: number }>`
      select count(*)::int as n from jobs where qname = ${qname} and (stage = 'running' or ended_at is not null)`.execute(
      db,
    )
    return rows[0]?.n ?? 0
  }

  /** From the end of `act` until one more job of the queue runs; then waits until nothing of it is left. */
  async function untilStarted(qname: string, act: () => Promise<void> | void): Promise<number> {
    const before = await started(qname)
    await act()
    const from = performance.now()
    while ((await started(qname)) === before) await sleep(GLANCE_MS)
    const took = performance.now() - from
    while ((await db.selectFrom('jobs').select('id').where('released_at', 'is', null).execute()).length > 0)
      await sleep(20)
    return took
  }

  try {
    await watch('hooked', '1h')
    await watch('polled', `${PERIOD_S}s`)
    const submit = async () => {
      await server.client.submit({
        container_image: image,
        run: ['sleep', '0.2'],
        qname: 'direct',
        image_pull_policy: 'IfNotPresent',
      })
    }
    const pushed = async (name: string, then: () => Promise<void>) => {
      push(name)
      await then()
    }
    const hook = () => pushed('hooked', () => announce('hooked'))
    // the first of each makes the copy of the repository and prepares the image
    await untilStarted('watch/hooked', hook)
    await untilStarted('watch/polled', () => push('polled'))
    await untilStarted('direct', submit)
    const [direct, hooked, polled]: number[][] = [[], [], []]
    for (let round = 0; round < Number(rounds); round += 1) {
      direct?.push(await untilStarted('direct', submit))
      hooked?.push(await untilStarted('watch/hooked', hook))
      // at any moment between two looks
      await sleep(Math.random() * PERIOD_S * 1000)
      polled?.push(await untilStarted('watch/polled', () => push('polled')))
    }
    const late = (polled ?? []).map(ms => ms - PERIOD_S * 1000)
    process.stdout.write(
      [
        `${rounds} rounds in turns, until the commands run`,
        line('a job that was submitted', direct ?? []),
        line('a push with a webhook', hooked ?? []),
        line(`a push, looked for every ${PERIOD_S} s`, polled ?? []),
        `latest: by webhook ${Math.max(...(hooked ?? [])).toFixed(0)} ms; by a look, after the period, ${Math.max(...late).toFixed(0)} ms`,
        `ratio by webhook, p50   ${(quantile(hooked ?? [], 0.5) / quantile(direct ?? [], 0.5)).toFixed(2)}`,
        '',
      ].join('\n'),
    )
  } finally {
    await db.destroy()
    await server.close()
    registry.letGo()
    await registry.close()
    await rm(folder, { recursive: true, force: true })
  }
}
