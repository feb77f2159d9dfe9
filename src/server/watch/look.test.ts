import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { GitRepository } from '../../../test/repositories/git-repository.ts'
import { findJob } from '../store/jobs.ts'
import type { Outcome } from '../store/runs.ts'
import { findFailure } from '../store/watch-failures.ts'
import { listTasks } from '../store/watch-tasks.ts'
import { claimWatches, findWatch, insertWatch, lockWatch, updateWatch, type Watch } from '../store/watches.ts'
import { changeWatch } from './change.ts'
import { acceptCommit, retryCommit } from './decide.ts'
import { endCommit } from './end.ts'
import { look } from './look.ts'
import { disableWatch } from './mounts.ts'
import { newStart } from './new-start.ts'
import { tidyCopies } from './open.ts'
import { startCommit } from './start.ts'
import { Turns } from './turns.ts'
import type { Watching } from './watching.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-look-'))
const remote = new GitRepository(folder)
const IMAGE = `busybox@sha256:${'5'.repeat(64)}`
const never = new AbortController().signal
const FAILED: Outcome = { status: 'failed', returnCode: 7, errorCode: '', errorText: '' }
const UNKNOWN: Outcome = { status: 'unknown', returnCode: 0, errorCode: 'container_lost', errorText: 'gone' }
let t: TestEngine
let watching: Watching
let made = 0

beforeAll(async () => {
  t = await startTestEngine()
  const settings = {
    watchProtocols: ['file'],
    watchCache: join(folder, 'cache'),
    watchLooks: 1,
    kubernetesNamespaces: [],
  } as const
  watching = { engine: t.engine, settings, turns: new Turns(1) }
})
afterAll(async () => {
  await t.close()
  rmSync(folder, { recursive: true })
})

/** A watch of a branch of its own, which is called as the watch. */
async function newWatch(more: object = {}): Promise<string> {
  made += 1
  const name = `w${made}`
  const configuration = {
    git_repo_url: remote.path,
    git_branch_name: name,
    git_poll_period: 60,
    required_number_of_verified_signatures_on_commit: 0,
    initial_last_successful_commit: '',
    docker_image: IMAGE,
    commands: ['true'],
    ...more,
  }
  await t.engine.db.transaction().execute(tx => insertWatch(tx, { name, description: '' }))
  await updateWatch(t.engine.db, name, { configuration: JSON.stringify(configuration) })
  return name
}

const push = (name: string, data: string, ...parents: string[]): string => {
  const commit = remote.commit(remote.tree({ data }), parents)
  remote.ref(`refs/heads/${name}`, commit)
  return commit
}

async function claim(name: string): Promise<Watch> {
  await updateWatch(t.engine.db, name, { next_poll_at: new Date(Date.now() - 1_000) })
  const { watches } = await claimWatches(t.engine.db, t.engine.node, 100, 60_000)
  const watch = watches.find(one => one.name === name)
  if (!watch) throw new Error('the watch was not claimed')
  return watch
}

const lookAt = async (name: string) => await look(watching, await claim(name), never)
const stateOf = async (name: string) => (await findWatch(t.engine.db, name)) as Watch
const runsOf = async (name: string) =>
  (await listTasks(t.engine.db, name)).filter(task => task.state !== 'refused').reverse()

async function endNewest(name: string, outcome: Outcome): Promise<void> {
  const id = (await runsOf(name)).at(-1)?.job_id ?? ''
  await t.engine.db.transaction().execute(tx => endCommit(tx, t.engine.node, { id }, outcome))
}

const root = () => ({ ...anybody, token: t.stack.root })
const anybody = { name: 'x', entity: '', accessorHash: '', token: undefined as never }

test.each([
  ['with nothing new', {}, 'watching'],
  ['that refused what it found', { required_number_of_verified_signatures_on_commit: 1 }, 'refused'],
  ['that found no branch', { git_branch_name: 'none' }, 'refused'],
])('a look %s is followed by the next when its period is over', async (_, more, state) => {
  const name = await newWatch({ ...more, git_poll_period: 300 })
  const commit = push(name, '1')
  if (state === 'watching') await updateWatch(t.engine.db, name, { accepted_commit: commit })
  await lookAt(name)
  const after = await stateOf(name)
  expect(after).toMatchObject({ state })
  const pauseMs = after.next_poll_at.getTime() - (after.polled_at?.getTime() ?? 0)
  expect(pauseMs).toBeGreaterThanOrEqual(300_000)
  expect(pauseMs).toBeLessThan(301_000)
  const { watches } = await claimWatches(t.engine.db, t.engine.node, 100, 60_000)
  expect(watches.map(watch => watch.name)).not.toContain(name)
})

test('a commit that was given up is not run again because the git server was away for a while', async () => {
  const name = await newWatch()
  const commit = push(name, '1')
  await lookAt(name)
  await endNewest(name, UNKNOWN)
  expect(await stateOf(name)).toMatchObject({ state: 'given_up', failed_commit: commit })
  // the attack: whoever makes a look fail, the git server itself for one, had the commands run a second time
  const { configuration } = await stateOf(name)
  const away = { ...configuration, git_repo_url: join(folder, 'away.git') }
  await updateWatch(t.engine.db, name, { configuration: JSON.stringify(away) })
  await lookAt(name)
  await updateWatch(t.engine.db, name, { configuration: JSON.stringify(configuration) })
  await lookAt(name)
  expect(await runsOf(name)).toHaveLength(1)
  expect(await stateOf(name)).toMatchObject({ state: 'given_up', reason_code: 'container_lost', failed_commit: commit })
})

test('nor because a newer one was refused and taken back', async () => {
  const name = await newWatch()
  const commit = push(name, '1')
  await lookAt(name)
  await endNewest(name, UNKNOWN)
  push(name, '2', commit)
  const { configuration } = await stateOf(name)
  const strict = { ...configuration, required_number_of_verified_signatures_on_commit: 1 }
  await updateWatch(t.engine.db, name, { configuration: JSON.stringify(strict) })
  await lookAt(name)
  expect(await stateOf(name)).toMatchObject({ state: 'refused', reason_code: 'quorum_not_met' })
  await updateWatch(t.engine.db, name, { configuration: JSON.stringify(configuration) })
  remote.ref(`refs/heads/${name}`, commit)
  await lookAt(name)
  expect(await runsOf(name)).toHaveLength(1)
  expect(await stateOf(name)).toMatchObject({ state: 'given_up' })
})

test('a server that shows two commits in turns does not have one run again of which nobody knows whether it ran', async () => {
  const name = await newWatch()
  const base = push(name, 'base')
  await updateWatch(t.engine.db, name, { accepted_commit: base })
  const one = push(name, 'one', base)
  await lookAt(name)
  await endNewest(name, UNKNOWN)
  const other = push(name, 'other', base)
  await lookAt(name)
  await endNewest(name, FAILED)
  for (const commit of [one, other, one]) {
    remote.ref(`refs/heads/${name}`, commit)
    await lookAt(name)
  }
  expect((await runsOf(name)).map(task => task.commit)).toEqual([one, other])
  // it says of which of them it speaks, and a person's wish is about that one
  expect(await stateOf(name)).toMatchObject({ state: 'given_up', reason_code: 'container_lost', failed_commit: one })
})

test('nor does it reset how often each of them was tried', async () => {
  const name = await newWatch()
  const base = push(name, 'base')
  await updateWatch(t.engine.db, name, { accepted_commit: base, options: JSON.stringify({ max_attempts: 2 }) })
  const [one, other] = [push(name, 'one', base), push(name, 'other', base)]
  for (let round = 0; round < 5; round += 1) {
    for (const commit of [one, other]) {
      remote.ref(`refs/heads/${name}`, commit)
      await t.engine.db
        .updateTable('watch_failures')
        .set({ retry_at: new Date(0) })
        .where('retry_at', 'is not', null)
        .execute()
      const before = (await runsOf(name)).length
      await lookAt(name)
      if ((await runsOf(name)).length > before) await endNewest(name, FAILED)
    }
  }
  const tried = (await runsOf(name)).map(task => `${task.commit === one ? 'one' : 'other'} ${task.attempt}`)
  expect(tried).toEqual(['one 1', 'other 1', 'one 2', 'other 2'])
})

test('a wish to run a commit again is about that commit', async () => {
  const name = await newWatch()
  const base = push(name, 'base')
  await updateWatch(t.engine.db, name, { accepted_commit: base })
  const one = push(name, 'one', base)
  await lookAt(name)
  await endNewest(name, UNKNOWN)
  const other = push(name, 'other', base)
  await lookAt(name)
  await endNewest(name, UNKNOWN)
  await retryCommit(t.engine, anybody, await stateOf(name), one)
  await lookAt(name)
  expect((await runsOf(name)).map(task => task.commit)).toEqual([one, other])
  remote.ref(`refs/heads/${name}`, one)
  await lookAt(name)
  expect((await runsOf(name)).map(task => task.commit)).toEqual([one, other, one])
})

test.each([
  ['nobody knows whether it ran', UNKNOWN, 1],
  ['somebody cancelled it', { status: 'failed', returnCode: 0, errorCode: 'job_killed', errorText: 'x' }, 1],
  ['its commands failed', { status: 'failed', returnCode: 7, errorCode: '', errorText: '' }, 2],
] as const)('another configuration, when %s: runs %#', async (_, outcome, runs) => {
  const name = await newWatch()
  push(name, '1')
  await updateWatch(t.engine.db, name, { options: JSON.stringify({ max_attempts: 1 }) })
  await lookAt(name)
  await endNewest(name, outcome)
  await changeWatch(t.engine, anybody, { name }, 'configure', {}, newStart)
  await lookAt(name)
  expect(await runsOf(name)).toHaveLength(runs)
})

test('of the tasks of a watch the newest are kept, task_history_limit of them', async () => {
  const name = await newWatch()
  await updateWatch(t.engine.db, name, {
    task_configuration: JSON.stringify({ task_timeout: 60, task_history_limit: 2 }),
  })
  const commits: string[] = []
  for (const data of ['1', '2', '3', '4']) {
    commits.push(push(name, data, ...commits.slice(-1)))
    await lookAt(name)
    await endNewest(name, { status: 'success', returnCode: 0, errorCode: '', errorText: '' })
  }
  expect((await runsOf(name)).map(task => task.commit)).toEqual(commits.slice(-2))
})

test('what was judged before a change is not started by a look that was overtaken by another of the same node', async () => {
  const name = await newWatch()
  const commit = push(name, '1')
  const slow = await claim(name)
  await changeWatch(t.engine, anybody, { name }, 'configure', {}, async () => undefined)
  await updateWatch(t.engine.db, name, { lease_until: new Date(0) })
  await claim(name)
  const verdict = { accepted: { commit } as never, signers: [] }
  const plan = { commit, image: IMAGE, commands: ['true'] } as never
  const times = { polled_at: new Date(), next_poll_at: new Date() }
  expect(await startCommit(watching, slow, { candidate: { commit, object: commit }, plan, verdict, times })).toBeNull()
  expect(await runsOf(name)).toEqual([])
})

test('a commit that was taken up before its access was changed has not failed, and is taken up again', async () => {
  const name = await newWatch()
  push(name, '1')
  await updateWatch(t.engine.db, name, { options: JSON.stringify({ max_attempts: 1 }) })
  await lookAt(name)
  await endNewest(name, { status: 'failed', returnCode: 0, errorCode: 'watch_changed', errorText: 'x' })
  expect(await stateOf(name)).toMatchObject({ state: 'watching' })
  await t.engine.db
    .updateTable('watch_failures')
    .set({ retry_at: new Date(0) })
    .where('watch', '=', name)
    .execute()
  await lookAt(name)
  expect((await runsOf(name)).map(task => task.attempt)).toEqual([1, 1])
})

test.each(['repository_unreachable', 'watch_vault_unavailable'])(
  '%s while it was prepared: no attempt, and a pause that grows',
  async code => {
    const name = await newWatch({ git_poll_period: 3600 })
    const commit = push(name, '1')
    await updateWatch(t.engine.db, name, { options: JSON.stringify({ max_attempts: 1 }) })
    const pauses: number[] = []
    for (let round = 0; round < 7; round += 1) {
      await lookAt(name)
      await endNewest(name, { status: 'failed', returnCode: 0, errorCode: code, errorText: 'x' })
      const failure = await findFailure(t.engine.db, name, commit)
      pauses.push(Math.round(((failure?.retry_at?.getTime() ?? 0) - Date.now()) / 1000))
      // soon, and not only when the next look is due
      expect((await stateOf(name)).next_poll_at.getTime()).toBeLessThanOrEqual(failure?.retry_at?.getTime() ?? 0)
      await t.engine.db
        .updateTable('watch_failures')
        .set({ retry_at: new Date(0) })
        .where('watch', '=', name)
        .execute()
    }
    expect((await runsOf(name)).map(task => task.attempt)).toEqual([1, 1, 1, 1, 1, 1, 1])
    expect(pauses).toEqual([15, 30, 60, 120, 240, 300, 300])
  },
)

test('refusals that are never twice the same do not fill the database', async () => {
  const name = await newWatch({ git_repo_url: join(folder, 'none.git') })
  const { configuration } = await stateOf(name)
  for (let round = 0; round < 15; round += 1) {
    const moved = { ...configuration, git_repo_url: join(folder, `none-${round}.git`) }
    await updateWatch(t.engine.db, name, { configuration: JSON.stringify(moved) })
    await lookAt(name)
  }
  expect(await listTasks(t.engine.db, name)).toHaveLength(10)
})

test('in order, an accepted commit of a rewritten branch is the next one, then those after it', async () => {
  const name = await newWatch()
  const old = push(name, 'old')
  await updateWatch(t.engine.db, name, { options: JSON.stringify({ mode: 'every' }), accepted_commit: old })
  const waived = remote.commit(remote.tree({ data: 'w' }))
  push(name, 'after', waived)
  await lookAt(name)
  expect(await stateOf(name)).toMatchObject({ state: 'stopped', reason_code: 'commit_not_descendant' })
  await updateWatch(t.engine.db, name, { waived_commit: waived, seen: '' })
  const ran: string[] = []
  for (const _ of [1, 2]) {
    await lookAt(name)
    ran.push((await runsOf(name)).at(-1)?.commit ?? '')
    await endNewest(name, { status: 'success', returnCode: 0, errorCode: '', errorText: '' })
  }
  const tip = remote.git(['rev-parse', `refs/heads/${name}`])
  expect(ran).toEqual([waived, tip])
  expect(await stateOf(name)).toMatchObject({ accepted_commit: tip, waived_commit: '' })
})

test('a key that is taken out while a commit is being accepted does not count any more', async () => {
  const name = await newWatch()
  const commit = push(name, '1')
  const watch = await stateOf(name)
  const key = { watch: name, name: 'ann', public_key: 'x' }
  await t.engine.db.insertInto('watch_keys').values(key).execute()
  const accepting = await t.engine.db.transaction().execute(async tx => {
    await lockWatch(tx, name)
    const result = acceptCommit(watching, anybody, watch, { commit, run: false }).catch((e: unknown) => e)
    const waiting = sql<{ n: number }>`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    await expect.poll(async () => (await waiting.execute(t.engine.db)).rows[0]?.n, { timeout: 15_000 }).toBe(1)
    await tx.deleteFrom('watch_keys').where('watch', '=', name).execute()
    return { result }
  })
  expect(await accepting.result).toMatchObject({ code: 'watch_changed' })
  expect((await stateOf(name)).accepted_commit).toBe('')
})

test('what a removed watch has left goes: its rows, and the copy of its repository, but not while somebody else uses it', async () => {
  const others = new GitRepository(folder, 'others.git')
  const make = async () => {
    const name = await newWatch({ git_repo_url: others.path })
    others.ref(`refs/heads/${name}`, others.commit(others.tree({ data: name })))
    await lookAt(name)
    await endNewest(name, FAILED)
    return name
  }
  const [one, two] = [await make(), await make()]
  const copies = () => readdirSync(join(folder, 'cache', t.engine.installation)).length
  await tidyCopies(watching)
  const before = copies()
  const remove = (name: string) => disableWatch({ ...t.engine, vault: t.stack.vault }, root(), name)
  await remove(one)
  expect(await tidyCopies(watching)).toBe(0)
  await remove(two)
  expect(await tidyCopies(watching)).toBe(1)
  expect(copies()).toBe(before - 1)
  for (const table of ['watch_tasks', 'watch_failures', 'watch_keys', 'watch_requests'] as const)
    expect(await t.engine.db.selectFrom(table).selectAll().where('watch', 'in', [one, two]).execute()).toEqual([])
})

test('task_timeout is the time of the job', async () => {
  const name = await newWatch()
  push(name, '1')
  await updateWatch(t.engine.db, name, {
    task_configuration: JSON.stringify({ task_timeout: 77, task_history_limit: 10 }),
  })
  await lookAt(name)
  const job = await findJob(t.engine.db, (await runsOf(name)).at(-1)?.job_id ?? '')
  expect(job).toMatchObject({ run_seconds: 77, origin: { watch: name } })
})
