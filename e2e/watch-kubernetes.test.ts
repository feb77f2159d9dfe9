import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { TestCluster, type Trouble } from '../test/kubernetes/cluster.ts'
import { Terminal } from './command.ts'
import { type ServerProcess, until, untilEnded } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

let w: Watched
let cluster: TestCluster
let server: ServerProcess
let api: WatchApi
beforeAll(async () => {
  w = await startWatched()
  cluster = await TestCluster.start()
  server = await start()
  api = new WatchApi(() => server.address, w.stack.root.reveal())
})
afterEach(() => {
  cluster.trouble = () => null
  cluster.forbidden.clear()
})
afterAll(async () => {
  await w?.close()
  await cluster?.close()
})

const start = (more: Record<string, string> = {}) => w.startServer({ ...cluster.settings, ...more })

const template = (script: string, container: object = {}) =>
  JSON.stringify({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {},
    spec: {
      template: {
        spec: { containers: [{ name: 'main', image: w.stack.image, command: ['sh', '-c', script], ...container }] },
      },
    },
  })

/** A watch of a branch of its own with one commit. */
async function watchOf(name: string, job: string, tasks: object = {}): Promise<string> {
  const { repository } = w.world
  const commit = repository.commit(repository.tree({ data: `${name}\n` }))
  repository.ref(`refs/heads/${name}`, commit)
  await api.write(`sys/mounts/${name}`, { type: 'flant_gitops' })
  await api.write(`${name}/configure/options`, { unpinned_image: true, max_attempts: 1 })
  await api.write(`${name}/task/configure`, tasks)
  await api.write(`${name}/configure/kubernetes_job`, { template: job })
  await api.write(`${name}/configure/git_repository`, {
    git_repo_url: repository.path,
    git_branch_name: name,
    git_poll_period: '1s',
  })
  return commit
}

const jobOf = async (name: string): Promise<string> => {
  await until(async () => (await api.tasks(name)).length > 0)
  return (await api.read(`${name}/task/${(await api.tasks(name))[0]}`)).job_id
}
const left = () => [...cluster.objects.list('jobs', 'ci'), ...cluster.objects.list('secrets', 'ci')]
const nothingLeft = () => until(async () => left().length === 0)

test('docs/watch.md: a template, its plan, a commit that becomes a Job, and its output', async () => {
  const blocks = [...readFileSync('docs/watch.md', 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].map(
    ([, code = '']) => code,
  )
  const script = blocks
    .find(block => block.includes('kubernetes-job'))
    ?.replace(/git clone [^"]* checkout (\S+)"/, 'echo cloning $1"')
  const { repository } = w.world
  const commit = repository.commit(repository.tree({ 'deploy.sh': 'echo hi\n' }))
  repository.ref('refs/heads/app', commit)
  const terminal = await Terminal.open({ WRIT_ADDR: server.address, VAULT_TOKEN: w.stack.root.reveal() })
  const { image } = w
  await cluster.kubelet.pull(image)
  const { code, stdout, stderr } = await terminal.shell(
    `export REPOSITORY='${repository.path}' IMAGE_OF_GIT='${image}' IMAGE_OF_TOOLS='${image}'\n${script}`,
  )
  expect(code, stderr).toBe(0)
  for (const part of ['a Job in the namespace ci, of this template:', '{{GIT_COMMIT}}', commit, image])
    expect(stdout).toContain(part)
  const task = await api.ended('app', commit)
  expect(task.log).toContain(`cloning ${commit}`)
  // there is no deploy.sh in a volume that nobody filled
  expect(task).toMatchObject({ status: 'FAILED', reason_code: 'command_failed' })
  await api.send('DELETE', 'sys/mounts/app')
  await nothingLeft()
})

test('a commit that fails, and the next one, which succeeds: once each, with marker, exit code and output', async () => {
  const first = await watchOf('runs', template('echo out; exit 4'))
  const failed = await api.ended('runs', first)
  expect(failed).toMatchObject({
    status: 'FAILED',
    reason_code: 'command_failed',
    log: expect.stringContaining('out\n'),
  })
  await api.write('runs/configure/kubernetes_job', { template: template('echo out {{GIT_COMMIT}}') })
  const second = w.world.repository.commit(w.world.repository.tree({ data: '2\n' }), [first])
  w.world.repository.ref('refs/heads/runs', second)
  const done = await api.ended('runs', second)
  expect(done).toMatchObject({ status: 'SUCCEEDED', log: `out ${second}\n` })
  const client = w.stack.client(server.address, w.stack.root)
  const { job, stdout } = await untilEnded(w.stack, client, done.job_id)
  expect(job).toMatchObject({ status: 'success', return_code: 0, qname: 'watch/runs' })
  expect(stdout).toBe(`out ${second}\n`)
  expect(await api.read('runs/status')).toMatchObject({ last_successful_commit: second })
  await nothingLeft()
  expect(cluster.kubelet.ran.filter(pod => pod.startsWith(`writ-${done.job_id}`))).toHaveLength(1)
  await api.send('DELETE', 'sys/mounts/runs')
})

test('a job is killed, and one is late: its pod has its grace, and it says so', async () => {
  const loop = 'trap "echo told; exit 9" TERM; echo up; while :; do sleep 0.1; done'
  const killed = await watchOf('killed', template(loop))
  const id = await jobOf('killed')
  await until(async () => cluster.kubelet.ran.some(pod => pod.startsWith(`writ-${id}`)))
  await until(async () => (await api.read(`killed/task/${(await api.tasks('killed'))[0]}/log`)).result?.includes('up'))
  await w.stack.client(server.address, w.stack.root).kill(id)
  expect(await api.ended('killed', killed)).toMatchObject({ status: 'CANCELED', reason_code: 'job_killed' })
  const late = await watchOf('late', template('echo up; sleep 60'), { task_timeout: '2s' })
  expect(await api.ended('late', late)).toMatchObject({ status: 'FAILED', reason_code: 'job_timeout' })
  await nothingLeft()
}, 90_000)

interface Point {
  readonly trouble: (method: string, path: string) => Trouble
  /** Waits for it. */
  readonly reached: (name: string) => Promise<void>
}
/** At a request, before Kubernetes has it, or when it is done and nobody has heard. */
const at = (how: 'hang' | 'deaf', verb: string, kind: RegExp): Point => {
  let seen = () => {}
  const reached = new Promise<void>(resolve => {
    seen = resolve
  })
  let once = true
  return {
    trouble: (method, path) => {
      if (!once || method !== verb || !kind.test(path)) return null
      once = false
      // processed first
      setTimeout(seen, 100)
      return how
    },
    reached: () => reached,
  }
}
const output = async (name: string) => (await api.read(`${name}/task/${(await api.tasks(name))[0]}/log`))?.result ?? ''
const POINTS: Record<string, () => Point> = {
  'before its Job is made': () => at('hang', 'POST', /\/jobs$/),
  'when its Job is made and nobody heard': () => at('deaf', 'POST', /\/jobs$/),
  'before its Secret is made': () => at('hang', 'POST', /\/secrets$/),
  'when its Secret is made and nobody heard': () => at('deaf', 'POST', /\/secrets$/),
  'before its Job is started': () => at('hang', 'PATCH', /\/jobs\//),
  'when its Job is started and nobody heard': () => at('deaf', 'PATCH', /\/jobs\//),
  'while it runs': () => ({
    trouble: () => null,
    reached: name => until(async () => (await output(name)).includes('line 3')),
  }),
  'when it has ended and nobody heard': () => ({
    trouble: (method, path) => (method === 'GET' && /\/jobs\//.test(path) && ends() ? 'hang' : null),
    reached: () => until(async () => ends()),
  }),
  'before its Job is removed': () => at('hang', 'DELETE', /\/jobs\//),
}
const ends = () =>
  cluster.objects
    .list('jobs', 'ci')
    .some(job => job.status?.conditions?.some((each: { type: string }) => each.type === 'Complete'))

let made = 0
test.each(Object.keys(POINTS))(
  'kill -9 %s: the commit runs once, its output is whole, and another node says how it ended',
  async point => {
    made += 1
    const name = `m${made}`
    const { trouble, reached } = (POINTS[point] as () => Point)()
    cluster.trouble = trouble
    const count = 'i=0; while [ $i -lt 12 ]; do echo line $i; i=$((i+1)); sleep 0.1; done'
    const commit = await watchOf(name, template(count))
    await reached(name)
    await server.stop('SIGKILL')
    cluster.trouble = () => null
    server = await start()
    const task = await api.ended(name, commit)
    expect(task).toMatchObject({ status: 'SUCCEEDED' })
    expect(task.log).toBe(Array.from({ length: 12 }, (_, i) => `line ${i}\n`).join(''))
    expect(cluster.kubelet.ran.filter(pod => pod.startsWith(`writ-${task.job_id}`))).toHaveLength(1)
    await nothingLeft()
    await api.send('DELETE', `sys/mounts/${name}`)
  },
  60_000,
)

test('a cluster that is away is waited for; one that refuses is an end with its words', async () => {
  const commit = await watchOf('away', template('echo ran'))
  const id = await jobOf('away')
  await api.ended('away', commit)
  cluster.trouble = () => 503
  const next = w.world.repository.commit(w.world.repository.tree({ data: 'next\n' }), [commit])
  w.world.repository.ref('refs/heads/away', next)
  await until(async () => server.log().includes('"runtime_unavailable"') || server.log().includes('does not answer'))
  cluster.trouble = () => null
  expect(await api.ended('away', next)).toMatchObject({ status: 'SUCCEEDED', log: 'ran\n' })
  cluster.forbidden.add('create jobs')
  const last = w.world.repository.commit(w.world.repository.tree({ data: 'last\n' }), [next])
  w.world.repository.ref('refs/heads/away', last)
  const refused = await api.ended('away', last)
  expect(refused).toMatchObject({ status: 'FAILED', reason_code: 'kubernetes_refused' })
  expect(refused.log).toContain('jobs is forbidden')
  expect(id).toMatch(/^[0-9a-f]{24}$/)
  await nothingLeft()
})

test('what Kubernetes would refuse is refused when it is written, and a pod that cannot start is given up', async () => {
  await api.write('sys/mounts/bad', { type: 'flant_gitops' })
  await api.write('bad/configure/options', { unpinned_image: true, max_attempts: 1 })
  const written = await api.send('PUT', 'bad/configure/kubernetes_job', {
    template: template('x', { name: 'Not_A_Name' }),
  })
  expect(written).toMatchObject({ status: 400, body: { errors: [expect.stringContaining('Kubernetes refuses it')] } })
  await server.stop()
  server = await start({ WRIT_KUBERNETES_START_TIMEOUT: '10' })
  const commit = await watchOf('stuck', template('x', { image: 'no-such.example/image:1' }))
  const task = await api.ended('stuck', commit)
  expect(task).toMatchObject({ status: 'FAILED', reason_code: 'pod_not_started' })
  const client = w.stack.client(server.address, w.stack.root)
  const { system } = await untilEnded(w.stack, client, task.job_id)
  expect(system).toContain('ErrImagePull: no such image: no-such.example/image:1')
  await nothingLeft()
}, 60_000)

test('a server that is not for Kubernetes runs such a commit nowhere; with the setting it goes on by itself', async () => {
  await server.stop()
  server = await start({ WRIT_KUBERNETES_NAMESPACES: '' })
  const { repository } = w.world
  const commit = repository.commit(repository.tree({ data: 'x\n' }))
  repository.ref('refs/heads/nowhere', commit)
  await api.write('sys/mounts/nowhere', { type: 'flant_gitops' })
  const refused = await api.send('PUT', 'nowhere/configure/kubernetes_job', { template: template('echo ran') })
  expect(refused).toMatchObject({ status: 400, body: { code: 'watch_field_invalid' } })
  // as a server with another setting has kept it
  await w.stack.db
    .updateTable('watches')
    .set({ kubernetes_job: template('echo ran'), kubernetes_namespace: 'ci' })
    .where('name', '=', 'nowhere')
    .execute()
  await api.write('nowhere/configure', {
    git_repo_url: repository.path,
    git_branch_name: 'nowhere',
    git_poll_period: '1s',
    docker_image: w.image,
    commands: ['echo wrong place'],
  })
  await until(async () => (await api.read('nowhere/status')).reason_code === 'namespace_unavailable')
  await server.stop()
  server = await start()
  expect(await api.ended('nowhere', commit)).toMatchObject({ status: 'SUCCEEDED', log: 'ran\n' })
  await nothingLeft()
}, 60_000)
