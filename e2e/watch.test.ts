import { afterAll, beforeAll, expect, test } from 'vitest'
import { countEvents } from './engine.ts'
import { type ServerProcess, until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

let w: Watched
let server: ServerProcess
let api: WatchApi
beforeAll(async () => {
  w = await startWatched()
  server = await w.startServer({ WRIT_JOB_NETWORK: 'bridge' })
  api = new WatchApi(() => server.address, w.stack.root.reveal())
})
afterAll(() => w?.close())

let branches = 0
/** A branch of its own for each test, and how to push to it. */
function newBranch(): { name: string; push: (commit: string) => string } {
  branches += 1
  const name = `b${branches}`
  return {
    name,
    push: commit => {
      w.world.repository.ref(`refs/heads/${name}`, commit)
      return commit
    },
  }
}

const commit = (files: Record<string, string>, ...parents: string[]) =>
  w.world.repository.commit(w.world.repository.tree(files), parents)

async function mount(name: string, branch: string, more: object = {}): Promise<void> {
  await api.send('PUT', `sys/mounts/${name}`, { type: 'flant_gitops' })
  await api.write(`${name}/configure`, {
    git_repo_url: w.world.repository.path,
    git_branch_name: branch,
    git_poll_period: '1s',
    docker_image: w.image,
    commands: ['cat data'],
    ...more,
  })
}

const look = (name: string) => api.write(`${name}/retry`)

test('the walk-through of the docker executor: outputs, unchanged tips, a branch that was set back', async () => {
  const branch = newBranch()
  const first = branch.push(commit({ data: 'OUTPUT1\n' }))
  await mount('steps', branch.name)
  const one = await api.ended('steps', first)
  expect(one).toMatchObject({ status: 'SUCCEEDED', reason: '', log: expect.stringContaining('OUTPUT1\n') })
  await until(async () => server.log().includes('Head commit not changed: skipping'))

  const second = branch.push(commit({ data: 'OUTPUT2\n' }, first))
  expect(await api.ended('steps', second)).toMatchObject({
    status: 'SUCCEEDED',
    log: expect.stringContaining('OUTPUT2\n'),
  })
  expect(await api.read('steps/status')).toMatchObject({ state: 'watching', last_successful_commit: second })

  branch.push(first)
  await until(async () => (await api.read('steps/status')).state === 'stopped')
  const { reason, reason_code } = await api.read('steps/status')
  expect(reason_code).toBe('commit_not_descendant')
  for (const part of [first, second, 'not a descendant']) expect(reason).toContain(part)
  const [newest] = await api.tasks('steps')
  expect(await api.read(`steps/task/${newest}`)).toMatchObject({ status: 'FAILED', reason, job_id: '' })
  expect(await api.read('steps/status')).toMatchObject({ last_successful_commit: second })

  // accepted by a person, it runs, and the watch goes on from there
  await api.write('steps/accept')
  await until(async () => (await api.read('steps/status')).last_successful_commit === first)
  expect(await api.read('steps/status')).toMatchObject({ state: 'watching', reason: '' })
  expect(await api.tasks('steps')).toHaveLength(4)
})

test('a failing commit is run again, then given up with an alarm, and a newer one runs', async () => {
  const branch = newBranch()
  const bad = branch.push(commit({ data: 'x\n' }))
  await mount('failing', branch.name, { commands: ['cat data', 'exit 7', 'echo never'] })
  await api.write('failing/configure/options', { max_attempts: 2 })
  expect(await api.ended('failing', bad, 1)).toMatchObject({ status: 'FAILED', reason: expect.stringContaining('7') })
  const last = await api.ended('failing', bad, 2)
  expect(last.log).not.toContain('never')
  expect(await api.read('failing/status')).toMatchObject({ state: 'given_up', failed_commit: bad, failures: 2 })
  const alarm = await w.stack.db.selectFrom('audit').select('entry').where('job_id', '=', last.job_id).execute()
  expect(alarm.map(row => JSON.parse(row.entry).action)).toContain('watch.given_up')
  await look('failing')
  expect(await api.ended('failing', bad, 1)).toBeDefined()
})

test('without enough signatures nothing runs; with them it does, and who signed is on the job', async () => {
  const branch = newBranch()
  const { world } = w
  const signed = branch.push(world.signedByGit('ann'))
  const required = { required_number_of_verified_signatures_on_commit: 2, commands: ['cat run.sh'] }
  await mount('signed', branch.name, required)
  for (const { name, key } of world.trust('ann', 'sam'))
    await api.write('signed/configure/trusted_pgp_public_key', { name, public_key: key })
  await until(async () => (await api.read('signed/status')).state === 'refused')
  expect(await api.read('signed/status')).toMatchObject({ reason_code: 'quorum_not_met', people: ['ann', 'sam'] })
  const { standing, digest, plan } = await api.read('signed/plan')
  expect(standing).toMatchObject({ required: 2, signers: [{ name: 'ann' }], missing: ['sam'] })
  expect(plan).toMatchObject({ commit: signed, image: w.image, commands: ['cat run.sh'] })
  expect(digest).toMatch(/^[0-9a-f]{64}$/)
  expect(await w.stack.db.selectFrom('jobs').select('id').where('qname', '=', 'watch/signed').execute()).toEqual([])

  // as the tool of the predecessor publishes it
  world.note(signed, world.line('sam', signed))
  world.publish([signed])
  const task = await api.ended('signed', signed)
  expect(task).toMatchObject({ status: 'SUCCEEDED', signers: [{ name: 'ann' }, { name: 'sam' }] })
  const job = await w.stack.client(server.address, w.stack.root).get(task.job_id)
  expect(job.origin).toMatchObject({ watch: 'signed', commit: signed, signers: [{ name: 'ann' }, { name: 'sam' }] })
  expect(await countEvents(task.job_id, 'start')).toBe(1)
})

test('every commit in order, each with its own signatures', async () => {
  const branch = newBranch()
  const first = branch.push(commit({ data: '1\n' }))
  await mount('every', branch.name, { commands: ['cat data'] })
  await api.write('every/configure/options', { mode: 'every' })
  await api.ended('every', first)
  const second = commit({ data: '2\n' }, first)
  const third = commit({ data: '3\n' }, second)
  branch.push(commit({ data: '4\n' }, third))
  await until(async () => (await api.tasks('every')).length === 4, 40_000)
  await until(async () => (await api.read('every/status')).newest_task_status === 'SUCCEEDED')
  const tasks = []
  for (const id of await api.tasks('every')) tasks.push((await api.read(`every/task/${id}/log`)).result)
  expect(tasks.map(log => /^\d$/m.exec(log)?.[0]).reverse()).toEqual(['1', '2', '3', '4'])
})

test('what is configured as already done does not run', async () => {
  const branch = newBranch()
  const first = branch.push(commit({ data: 'old\n' }))
  await mount('initial', branch.name, { initial_last_successful_commit: first })
  await until(async () => (await api.read('initial/status')).polled_at !== '')
  expect(await api.tasks('initial')).toEqual([])
  const second = branch.push(commit({ data: 'new\n' }, first))
  expect((await api.ended('initial', second)).log).toContain('new')
  expect(await api.tasks('initial')).toHaveLength(1)
})

test('a configuration that is removed and written again has nothing run twice, and another repository has to be accepted', async () => {
  const branch = newBranch()
  const first = branch.push(commit({ data: '1\n' }))
  await mount('again', branch.name)
  await api.ended('again', first)
  await api.send('DELETE', 'again/configure')
  await mount('again', branch.name)
  const { polled_at } = await api.read('again/status')
  await until(async () => (await api.read('again/status')).polled_at > polled_at)
  expect(await api.read('again/status')).toMatchObject({ state: 'watching', last_successful_commit: first })
  expect(await api.tasks('again')).toHaveLength(1)

  const other = newBranch()
  const another = other.push(commit({ data: 'of another history\n' }))
  await mount('again', other.name)
  await until(async () => (await api.read('again/status')).reason_code === 'commit_not_descendant')
  await api.write('again/accept')
  expect(await api.ended('again', another)).toMatchObject({ status: 'SUCCEEDED' })
})

test('a task that takes longer than task_timeout is stopped, and says so', async () => {
  const branch = newBranch()
  const slow = branch.push(commit({ data: 'x\n' }))
  await api.write('sys/mounts/late', { type: 'flant_gitops' })
  await api.write('late/task/configure', { task_timeout: '1s' })
  await api.write('late/configure/options', { max_attempts: 1 })
  await mount('late', branch.name, { commands: ['echo begun', 'sleep 300', 'echo never'] })
  const task = await api.ended('late', slow)
  expect(task).toMatchObject({ status: 'FAILED', log: expect.stringContaining('begun') })
  expect(task.log).not.toContain('never')
  expect(await api.read('late/status')).toMatchObject({ state: 'given_up', reason_code: 'job_timeout' })
  expect(await w.stack.client(server.address, w.stack.root).get(task.job_id)).toMatchObject({
    error_code: 'job_timeout',
  })
})

test('a commit with a submodule does not run without its files, unless somebody says that it may', async () => {
  const branch = newBranch()
  const { repository } = w.world
  const tree = repository.mktree([
    ['100644', repository.blob('x\n'), 'data'],
    ['160000', 'a'.repeat(40), 'sub'],
  ])
  const made = branch.push(repository.commit(tree))
  await api.write('sys/mounts/modules', { type: 'flant_gitops' })
  await api.write('modules/configure/options', { max_attempts: 1 })
  await mount('modules', branch.name, { commands: ['ls -A sub', 'cat data'] })
  expect(await api.ended('modules', made)).toMatchObject({ status: 'FAILED', reason: expect.stringContaining('sub') })
  expect(await api.read('modules/status')).toMatchObject({ state: 'given_up', reason_code: 'tree_submodules' })
  await api.write('modules/configure/options', { submodules: 'empty' })
  await until(async () => (await api.read('modules/status')).last_successful_commit === made, 40_000)
})

test('a task is cancelled, and then not run again by itself', async () => {
  const branch = newBranch()
  const slow = branch.push(commit({ data: 'slow\n' }))
  await mount('cancelled', branch.name, { commands: ['sleep 60'] })
  await until(async () => {
    const [id] = await api.tasks('cancelled')
    return id !== undefined && (await api.read(`cancelled/task/${id}`)).status === 'RUNNING'
  })
  const [id] = await api.tasks('cancelled')
  expect((await api.send('DELETE', 'sys/mounts/cancelled')).body.code).toBe('watch_busy')
  expect((await api.send('PUT', 'cancelled/accept')).body.code).toBe('watch_busy')
  await api.write(`cancelled/task/${id}/cancel`)
  expect(await api.ended('cancelled', slow)).toMatchObject({ status: 'CANCELED', uuid: id })
  expect((await api.send('PUT', `cancelled/task/${id}/cancel`)).body).toMatchObject({
    warnings: ['the task is not running'],
  })
  expect(await api.read('cancelled/status')).toMatchObject({ state: 'given_up' })
  await new Promise(resolve => setTimeout(resolve, 2_500))
  expect(await api.tasks('cancelled')).toEqual([id])
  await until(async () => (await api.send('DELETE', 'sys/mounts/cancelled')).status === 204)
})
