import { createHmac } from 'node:crypto'
import { sql } from 'kysely'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

const SECRET = 'a-secret-of-a-webhook'
let w: Watched
let nodes: ServerProcess[]
let api: WatchApi
beforeAll(async () => {
  w = await startWatched()
  nodes = [await w.startServer(), await w.startServer()]
  api = new WatchApi(() => nodes[0]?.address ?? '', w.stack.root.reveal())
})
afterAll(() => w?.close())

const commit = (data: string, ...parents: string[]) =>
  w.world.repository.commit(w.world.repository.tree({ data }), parents)

async function watchOf(name: string, more: object = {}): Promise<(id: string) => void> {
  await api.write(`sys/mounts/${name}`, { type: 'flant_gitops' })
  await api.write(`${name}/configure/webhook`, { secret: SECRET })
  await api.write(`${name}/configure`, {
    git_repo_url: w.world.repository.path,
    git_branch_name: name,
    git_poll_period: '1h',
    docker_image: w.image,
    commands: ['cat data', 'sleep 0.3'],
    ...more,
  })
  return id => w.world.repository.ref(`refs/heads/${name}`, id)
}

/** As a forge sends it. */
async function announce(name: string, secret = SECRET, node = nodes[0]): Promise<number> {
  const body = JSON.stringify({ ref: `refs/heads/${name}`, after: '0'.repeat(40) })
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  const answer = await request(`${node?.address}/v1/${name}/webhook`, {
    method: 'POST',
    headers: { 'x-hub-signature-256': `sha256=${signature}`, 'content-type': 'application/json' },
    body,
  })
  await answer.body.dump()
  return answer.statusCode
}

test('a push by webhook starts its job at once, on whichever node; a wrong secret does nothing', async () => {
  const push = await watchOf('hooked')
  push(commit('first\n'))
  expect(await announce('hooked', 'another-secret-of-it')).toBe(403)
  expect(await announce('unknown')).toBe(403)
  expect(await announce('hooked', SECRET, nodes[1])).toBe(202)
  await until(async () => (await api.tasks('hooked')).length === 1)
  await until(async () => (await api.read('hooked/status')).newest_task_status === 'SUCCEEDED')
  push(
    w.world.repository.commit(w.world.repository.tree({ data: 'second\n' }), [(await api.read('hooked/status')).tip]),
  )
  const began = Date.now()
  await announce('hooked')
  await until(async () => (await api.tasks('hooked')).length === 2)
  // a claim about order and not about speed: long before the next look would be due
  expect(Date.now() - began).toBeLessThan(60_000)
})

test('two nodes, one of them killed at any moment: no commit is lost, none runs twice, all in order', async () => {
  const push = await watchOf('crashed', { git_poll_period: '1s', commands: ['cat data', 'sleep 0.2'] })
  await api.write('crashed/configure/options', { mode: 'every', max_attempts: 5 })
  await api.write('crashed/task/configure', { task_history_limit: 100 })
  // before the first that was run, there is no order: it would be the tip of whenever somebody looks
  const before = commit('before\n')
  push(before)
  await until(async () => (await api.read('crashed/status'))?.last_successful_commit === before)
  const commits: string[] = []
  const rounds = 7
  for (let round = 0; round < rounds; round += 1) {
    commits.push(commit(`commit ${round}\n`, commits.at(-1) ?? before))
    push(commits.at(-1) ?? '')
    await announce('crashed').catch(() => 0)
    await new Promise(resolve => setTimeout(resolve, 150 + round * 180))
    // the one that looks or runs is as likely as the other
    const victim = nodes.splice(round % 2, 1)[0]
    await victim?.stop('SIGKILL')
    nodes.push(await w.startServer())
  }
  await until(async () => (await api.read('crashed/status'))?.last_successful_commit === commits.at(-1), 60_000)

  const { rows } = await sql<{ commit: string; state: string; output: string }>`
    select t.commit, t.state, coalesce(string_agg(convert_from(o.data, 'UTF8'), '' order by o.start), '') as output
    from watch_tasks t left join output o on o.job_id = t.job_id and o.stream = 'stdout'
    where t.watch = 'crashed' and t.job_id is not null group by t.seq, t.commit, t.state order by t.seq`.execute(
    w.stack.db,
  )
  expect(rows.filter(row => row.state === 'done').map(row => row.commit)).toEqual([before, ...commits])
  for (const [index, id] of commits.entries()) {
    const ran = rows.filter(row => row.commit === id && row.output.includes(`commit ${index}`))
    expect(ran, `runs of commit ${index}`).toHaveLength(1)
  }
}, 120_000)

test('many looks at one watch by both nodes at once make one job', async () => {
  const push = await watchOf('raced')
  push(commit('raced\n'))
  await Promise.all(Array.from({ length: 20 }, (_, i) => announce('raced', SECRET, nodes[i % 2])))
  await until(async () => (await api.read('raced/status')).newest_task_status === 'SUCCEEDED')
  await Promise.all(Array.from({ length: 20 }, (_, i) => announce('raced', SECRET, nodes[i % 2])))
  await new Promise(resolve => setTimeout(resolve, 1_000))
  expect(await w.stack.db.selectFrom('jobs').select('id').where('qname', '=', 'watch/raced').execute()).toHaveLength(1)
})
