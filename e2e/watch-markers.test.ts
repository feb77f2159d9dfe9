import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate } from '../src/server/store/database.ts'
import { EngineProxy } from '../test/engine-proxy.ts'
import { countEvents } from './engine.ts'
import { until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

/** Any number: of the lock at which the database holds whoever comes to the point where he is to be killed. */
const LOCK = 4711

let w: Watched
let holder: pg.Client
beforeAll(async () => {
  w = await startWatched()
  await migrate(w.stack.db)
  holder = new pg.Client({ connectionString: w.stack.database.url })
  await holder.connect()
  await holder.query(`create function stop_here() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(${LOCK}); return new; end $$`)
})
afterAll(async () => {
  await holder?.end()
  await w?.close()
})

interface Point {
  reached(): Promise<void>
  /** Whoever was held there is gone, and with him what he had not committed. */
  letGo(): Promise<void>
  readonly dockerHost?: string
}

/** Before a row is written that is so. */
async function atRow(event: string, when: string): Promise<Point> {
  await holder.query(`select pg_advisory_lock(${LOCK})`)
  await holder.query(
    `create trigger stop_here before ${event} for each row when (${when}) execute function stop_here()`,
  )
  const waiting = `select pid from pg_locks where locktype = 'advisory' and objid = ${LOCK} and not granted`
  return {
    reached: () => until(async () => (await holder.query(waiting)).rowCount === 1),
    letGo: async () => {
      await holder.query(`select pg_terminate_backend(pid) from (${waiting}) held`)
      await until(async () => (await holder.query(waiting)).rowCount === 0)
      await holder.query(`drop trigger stop_here on ${event.split(' on ')[1]}`)
      await holder.query(`select pg_advisory_unlock(${LOCK})`)
    },
  }
}

/** At a request to the engine: before it has it, or when it has done it and nobody has heard. */
async function atEngine(where: 'holdRequest' | 'holdAnswer', pattern: RegExp): Promise<Point> {
  const proxy = await new EngineProxy().open()
  const sprung = proxy[where](pattern)
  return { reached: () => sprung, letGo: () => proxy.close(), dockerHost: proxy.host }
}

/** While the commands run. */
async function inTheMiddle(): Promise<Point> {
  return {
    reached: () =>
      until(async () => {
        const output = w.stack.db.selectFrom('output').select('job_id').where('stream', '=', 'stdout')
        const jobs = w.stack.db
          .selectFrom('jobs')
          .select('id')
          .where('status', '=', 'running')
          .where('id', 'in', output)
        return (await jobs.execute()).length === 1
      }),
    letGo: async () => {},
  }
}

const points: Record<string, () => Promise<Point>> = {
  'before it is marked started': () => atRow('insert on watch_tasks', `new.state = 'started'`),
  'when it is marked started, before anybody runs it': () =>
    atRow('update on jobs', `new.status = 'running' and old.status = 'queued'`),
  'before its container is made': () =>
    atEngine('holdRequest', /^POST \S+\/containers\/create\?name=writ-[0-9a-f]{24}/),
  'before it counts as possibly run': () => atRow('update on jobs', `new.stage = 'starting'`),
  'just before its container starts': () => atEngine('holdRequest', /^POST \S+\/containers\/\w+\/start/),
  'while it runs': inTheMiddle,
  'when it has run, before it is marked': () => atRow('update on watch_tasks', `new.state <> 'started'`),
  'when it is marked, before its job has ended': () => atRow('update on jobs', `new.ended_at is not null`),
  'when both have ended, before its container is gone': () => atRow('update on jobs', `new.released_at is not null`),
}

let made = 0
const cases = Object.keys(points).flatMap(point => [
  [point, 'done', 'exit 0'] as const,
  // what fails has its marker by the same ways
  ...(/^when (?!it is marked started)/.test(point) ? [[point, 'failed', 'exit 7'] as const] : []),
])

test.each(cases)('kill -9 %s (%s): it runs once, and another node says how it ended', async (point, state, end) => {
  const { stack, world } = w
  made += 1
  const name = `m${made}`
  const { dockerHost, reached, letGo } = await (points[point] as () => Promise<Point>)()
  const first = await w.startServer(dockerHost ? { DOCKER_HOST: dockerHost } : {})
  let api = new WatchApi(() => first.address, stack.root.reveal())
  const commit = world.repository.commit(world.repository.tree({ data: `${name}\n` }))
  world.repository.ref(`refs/heads/${name}`, commit)
  await api.write(`sys/mounts/${name}`, { type: 'flant_gitops' })
  await api.write(`${name}/configure/options`, { max_attempts: 1 })
  await api.write(`${name}/configure`, {
    git_repo_url: world.repository.path,
    git_branch_name: name,
    docker_image: w.image,
    commands: ['cat data', 'sleep 1', 'echo ran', end],
  })
  await reached()
  await first.stop('SIGKILL')
  await letGo()
  const second = await w.startServer()
  try {
    api = new WatchApi(() => second.address, stack.root.reveal())
    expect(await api.ended(name, commit)).toMatchObject({ status: state === 'done' ? 'SUCCEEDED' : 'FAILED' })
    const status = {
      state: state === 'done' ? 'watching' : 'given_up',
      last_successful_commit: state === 'done' ? commit : '',
    }
    await until(
      async () =>
        (await stack.db.selectFrom('jobs').select('id').where('released_at', 'is', null).execute()).length === 0,
    )
    expect(await api.read(`${name}/status`)).toMatchObject(status)
    // one marker, one job, one start of one container, its output once
    const { rows } = await sql<{ state: string; id: string; output: string }>`
      select t.state, j.id, (select string_agg(convert_from(o.data, 'UTF8'), '' order by o.start)
        from output o where o.job_id = j.id and o.stream = 'stdout') as output
      from watch_tasks t join jobs j on j.id = t.job_id where t.watch = ${name}`.execute(stack.db)
    expect(rows).toEqual([{ state, id: expect.any(String), output: `${name}\nran\n` }])
    expect(await countEvents(rows[0]?.id ?? '', 'start')).toBe(1)
    expect(await stack.runtime.find(`writ-${rows[0]?.id}`)).toBeNull()
  } finally {
    await second.stop('SIGTERM')
  }
})
