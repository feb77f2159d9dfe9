import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dockerRuntime } from '../src/server/runtimes/docker/docker-runtime.ts'
import { Engine } from '../src/server/runtimes/docker/engine.ts'
import { busyboxEntries, ensureBusyboxImage, tarOf } from '../test/busybox-image.ts'
import { ENGINE_SOCKET } from '../test/engine-socket.ts'
import { type Podman, startPodman } from '../test/podman.ts'
import { TinyRegistry } from '../test/tiny-registry.ts'
import { Terminal } from './command.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

const registry = new TinyRegistry()
const PASSWORD = 'registry-canary-5a1'
let podman: Podman
let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  await registry.listen()
  podman = await startPodman({ insecureRegistry: registry.host })
  stack = await startStack(podman.socket)
  server = await stack.startServer({ WRIT_NETWORK_SLOTS: '2' })
})
afterAll(async () => {
  await stack.close()
  await podman.close()
  await registry.close()
})

const SECRETS = { secret_refs: ['NAME@secret/data/hello.password'] }
const submit = async (script: string, more: object = {}) =>
  (await stack.client(server.address).submit(shell(stack, script, more)))._id
const ended = (id: string) => untilEnded(stack, stack.client(server.address), id)

test('it is Podman that runs the jobs', async () => {
  expect(await stack.runtime.info()).toMatchObject({ engine: expect.stringMatching(/podman|debian/i) })
  const id = await submit('sleep 600')
  await until(async () => (await stack.runtime.find(`writ-${id}`))?.phase === 'running')
  await stack.client(server.address).kill(id)
  expect((await ended(id)).job).toMatchObject({ status: 'failed', error_code: 'job_killed' })
})

test.each([false, true])('secrets, both streams and the code, with a terminal: %s', async tty => {
  const script = 'test -s /secrets.yml && wc -l </secrets.yml; cat /secrets.yml; ls -ld /run/writ; echo err >&2; exit 7'
  const { job, stdout, stderr } = await ended(await submit(script, { ...SECRETS, tty }))
  expect(job).toMatchObject({ status: 'failed', return_code: 7, masked: { NAME: 1 } })
  expect(stdout).toContain('NAME: ***')
  if (!tty) expect(stderr).toBe('err\n')
  expect(await stack.runtime.find(`writ-${job._id}`)).toBeNull()
})

test('bytes that are no text come as they are', async () => {
  const terminal = await Terminal.open(stack.environment(server.address))
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 31 + (i >> 8) * 7) % 256))
  await writeFile(join(terminal.folder, 'bytes'), bytes)
  const command = `mkdir content && mv bytes content && writ run --image ${stack.image} --content content -- cat /bytes`
  const { stdout, stderr } = await terminal.shell(`${command} | sha256sum`)
  expect(stdout.split(' ')[0], stderr).toBe(createHash('sha256').update(bytes).digest('hex'))
})

test('a server that is killed: its job is found again, runs once, and no byte is lost or doubled', async () => {
  const script =
    'i=0; while [ $i -lt 40 ]; do i=$((i+1)); printf "line $i \\377\\n"; sleep 0.05; done; printf end; exit 3'
  const client = stack.client(server.address)
  const id = await submit(script, SECRETS)
  await until(async () => (await client.get(id)).output_bytes > 30)
  await server.stop('SIGKILL')
  server = await stack.startServer()
  const { job, stdout } = await ended(id)
  expect(job).toMatchObject({ status: 'failed', return_code: 3 })
  const lines = Array.from({ length: 40 }, (_, i) => `line ${i + 1} \ufffd\n`).join('')
  expect(stdout).toBe(`${lines}end`)
})

test('what it lacks is told to the administrator, and costs no job', async () => {
  // what Podman cannot keep for jobs to come: each gets a container and a network of its own
  const own = await stack.startServer({ WRIT_NETWORK_SLOTS: '2', WRIT_WARM: `${stack.image}=1` })
  const client = stack.client(own.address)
  for (const _ of [1, 2]) {
    const { _id } = await client.submit(shell(stack, 'echo ran', { qname: 'own' }))
    expect(await untilEnded(stack, client, _id)).toMatchObject({ stdout: 'ran\n', job: { status: 'success' } })
  }
  await until(async () => own.log().includes('with Podman there are no network slots'))
  await until(async () => own.log().includes('with Podman no container is started in advance'))
  expect((await stack.runtime.list('writ.pause', '')).length).toBe(0)
  await own.stop('SIGTERM')
})

test('limits of memory, processes and time, a file system that cannot be written to, and a network that is none', async () => {
  const SHOW = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null'
  const asked = { limits: { memory: '96m', pids: 20 }, read_only: true }
  const script = `${SHOW}; touch /x; touch /tmp/x && echo tmp; test -d /sys/class/net/eth0 || echo none`
  const shown = await ended(await submit(script, asked))
  expect(shown).toMatchObject({ stdout: `${96 * 2 ** 20}\ntmp\nnone\n`, job: { status: 'success' } })
  expect(shown.stderr).toContain('Read-only')
  // one that uses more memory than it may is ended; Podman does not say why
  const greedy = await ended(await submit('head -c 200000000 /dev/zero | tail -c 190000000 >/dev/null', asked))
  expect(greedy.job).toMatchObject({ status: 'failed' })
  const many = await ended(await submit('for i in $(seq 40); do sleep 2 & done; echo "$?"; wait', asked))
  expect(many.stderr).toMatch(/can't fork|Resource temporarily/)
  const late = await ended(await submit('echo up; sleep 600', { timeout: 2 }))
  expect(late.job).toMatchObject({ status: 'failed', error_code: 'job_timeout', output: 'up\n' })
  const nowhere = { network: 'nowhere' }
  await expect(submit('true', nowhere)).rejects.toMatchObject({ code: 'network_refused' })
})

test('jobs of a queue follow each other in their order, and who follows one has its output while it runs', async () => {
  const client = stack.client(server.address)
  const ids: string[] = []
  for (const n of [1, 2, 3]) ids.push(await submit(`echo ${n}; sleep 0.5`, { qname: 'order' }))
  const jobs = (await Promise.all(ids.map(ended))).map(({ job }) => job)
  expect(jobs.map(({ output }) => output)).toEqual(['1\n', '2\n', '3\n'])
  const times = jobs.flatMap(({ started, ended: end }) => [Date.parse(started), Date.parse(end)])
  expect(times.toSorted((a, b) => a - b)).toEqual(times)

  const id = await submit('echo first; sleep 600', { qname: 'followed' })
  const limit = AbortSignal.timeout(20_000)
  for await (const event of client.follow(id, 0, limit)) if (event.kind === 'output') break
  expect(await client.get(id)).toMatchObject({ status: 'running', output_bytes: 6 })
  await client.kill(id)
  expect((await ended(id)).job.error_code).toBe('job_killed')
})

test('a job that writes without an end is stopped', async () => {
  const own = await stack.startServer({ WRIT_MAX_OUTPUT: '1000000' })
  const client = stack.client(own.address)
  const { _id } = await client.submit(shell(stack, "yes 'again and again'", { qname: 'yes' }))
  expect((await untilEnded(stack, client, _id)).job).toMatchObject({ status: 'failed', error_code: 'job_output_limit' })
  await own.stop('SIGTERM')
})

test('an ended container that somebody attaches to is not taken for one that never ran', async () => {
  const image = await stack.runtime.image(stack.image, 'Never', {})
  const limits = { memoryBytes: 64 * 1024 * 1024, pids: 64, network: 'none' }
  const name = `writ-attached-${process.pid}`
  const argv = ['sh', '-c', 'echo ran; exit 5']
  const spec = { name, labels: {}, image, argv, env: [], tty: false, limits }
  const id = (await stack.runtime.create(spec)) ?? ''
  try {
    const { output, exit } = await stack.runtime.start(id, { files: {}, env: {} })
    for await (const _ of output);
    expect(await exit).toEqual({ code: 5, outOfMemory: false })
    await fetchAttach(id)
    expect((await stack.runtime.find(name))?.phase).toBe('exited')
    expect(await stack.runtime.removeUnstarted(name)).toBe(false)
    await expect(stack.runtime.start(id, { files: {}, env: {} })).rejects.toMatchObject({ code: 'container_refused' })
    // how it ended is not known any more: the answer must not be that all went well
    const again = await stack.runtime.attach(name, { stdout: 0, stderr: 0 })
    await expect(again.exit).rejects.toMatchObject({ code: 'container_lost' })
  } finally {
    await stack.runtime.remove(name)
  }
})

test('an image of a private registry is pulled with credentials from Vault, and not for who has none', async () => {
  registry.login = `puller:${PASSWORD}`
  registry.offer('one', await tarOf([...busyboxEntries(), { name: 'unique', data: 'one' }]))
  const body = { data: { username: 'puller', password: PASSWORD } }
  await stack.vault.send({ method: 'POST', path: 'secret/data/registries/tiny', token: stack.root, body })
  const container_image = `${registry.host}/team/private:one`
  const pulled = await ended(
    await submit('cat /unique', { container_image, registry_auth: 'secret/data/registries/tiny' }),
  )
  expect(pulled.job).toMatchObject({ status: 'success', output: 'one' })
  expect(pulled.system).toContain('Pulling')
  const refused = await ended(await submit('cat /unique', { container_image, image_pull_policy: 'Always' }))
  expect(refused.job).toMatchObject({ status: 'failed', error_code: 'image_not_found' })
  expect(JSON.stringify([pulled, refused]) + server.log()).not.toContain(PASSWORD)
})

test('two nodes with an engine each: what ran on the one that died is unknown, its queue goes on, and its container ends with its return', async () => {
  await ensureBusyboxImage()
  const docker = dockerRuntime({ host: `unix://${ENGINE_SOCKET}` })
  const withDocker = { DOCKER_HOST: `unix://${ENGINE_SOCKET}` }
  await server.stop()
  const first = await stack.startServer(withDocker)
  const job = shell(stack, 'echo up; sleep 600', { qname: 'engines' })
  const { _id: id } = await stack.client(first.address).submit(job)
  await until(async () => (await stack.client(first.address).get(id)).output_bytes > 0)
  server = await stack.startServer()
  const next = await submit('echo next', { qname: 'engines' })
  await first.stop('SIGKILL')

  expect((await ended(id)).job).toMatchObject({ status: 'unknown', error_code: 'container_lost', output: 'up\n' })
  expect(await ended(next)).toMatchObject({ stdout: 'next\n', job: { status: 'success' } })
  expect((await docker.find(`writ-${id}`))?.phase).toBe('running')
  const again = await stack.startServer(withDocker)
  await until(async () => (await docker.find(`writ-${id}`)) === null)
  await again.stop()
  await docker.close()
})

/** As `podman attach` or `docker attach` would. */
async function fetchAttach(id: string): Promise<void> {
  const engine = new Engine(`unix://${podman.socket}`)
  await engine.hijack(`/containers/${id}/attach`, { query: { stream: 1, stdin: 1 } }).catch(() => {})
  await until(
    async () =>
      (await engine.json<{ State: { Status: string } }>('GET', `/containers/${id}/json`)).State.Status === 'created',
  )
  await engine.close()
}
