import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ensureBusyboxImage } from '../../../../test/busybox-image.ts'
import { TestCluster } from '../../../../test/kubernetes/cluster.ts'
import type { Attachment, Cursor, Exit } from '../runtime.ts'
import { findCluster } from './cluster.ts'
import { type KubernetesOptions, type KubernetesRuntime, kubernetes } from './kubernetes-runtime.ts'
import type { KubernetesSpec } from './manifest.ts'

const START = { stdout: 0, stderr: 0 }
let cluster: TestCluster
let image: string
let runtime: KubernetesRuntime
const closers: (() => void)[] = []

/** A server of ours. */
function runtimeOf(more: Partial<KubernetesOptions> = {}): KubernetesRuntime {
  const { address: server, caFile, tokenFile } = cluster
  const made = kubernetes({
    cluster: findCluster({ server, caFile, tokenFile }, {}),
    namespaces: ['ci'],
    owner: ['writ.installation', 'test'],
    startMs: 30_000,
    graceSeconds: 1,
    timeoutMs: 700,
    patienceMs: 2_000,
    endMs: 5_000,
    ...more,
  })
  closers.push(() => made.close())
  return made.runtimes.get('ci') as KubernetesRuntime
}

beforeAll(async () => {
  image = await ensureBusyboxImage()
  cluster = await TestCluster.start()
  runtime = runtimeOf()
})
afterEach(() => {
  cluster.trouble = () => null
  cluster.forbidden.clear()
  cluster.controller.paused = false
})
afterAll(async () => {
  for (const close of closers) close()
  await cluster?.close()
})

const podTemplate = (script: string, pod: object = {}, container: object = {}) =>
  JSON.stringify({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'x' },
    spec: {
      template: {
        spec: { ...pod, containers: [{ name: 'main', image, command: ['sh', '-c', script], ...container }] },
      },
    },
  })

function specOf(script: string, more: Partial<KubernetesSpec> = {}): KubernetesSpec {
  const job = randomBytes(12).toString('hex')
  return {
    name: `writ-${job}`,
    labels: { 'writ.installation': 'test', 'writ.job': job, 'writ.attempt': '1' },
    template: podTemplate(script),
    commit: 'c'.repeat(40),
    env: [],
    secretEnv: ['VAULT_REQUEST_TOKEN_A'],
    files: ['ca.crt'],
    deadlineSeconds: 600,
    ...more,
  }
}

const GIVEN = { files: { 'ca.crt': Buffer.from('the-ca') }, env: { VAULT_REQUEST_TOKEN_A: 'canary-token' } }

interface Run {
  readonly stdout: string
  readonly system: string
  readonly exit: Exit | undefined
  readonly code: string
  readonly cursor: Cursor
}

async function finished({ output, exit }: Attachment, until = (_: string) => false): Promise<Run> {
  const [stdout, system]: [string[], string[]] = [[], []]
  let position = 0
  for await (const frame of output) {
    if (frame.stream === 'system') {
      system.push(Buffer.from(frame.data).toString())
      continue
    }
    stdout.push(Buffer.from(frame.data).toString())
    position += frame.advance?.(frame.data.length) ?? frame.data.length
    if (until(stdout.join(''))) break
  }
  const end = await exit.then(
    value => ({ exit: value, code: '' }),
    error => ({ exit: undefined, code: error.code }),
  )
  return { stdout: stdout.join(''), system: system.join(''), ...end, cursor: { stdout: position, stderr: 0 } }
}

async function started(script: string, more: Partial<KubernetesSpec> = {}, at = runtime) {
  const spec = specOf(script, more)
  const id = (await at.create(spec)) ?? ''
  return { spec, id, attachment: await at.start(id, GIVEN) }
}

const pods = (name: string) => cluster.objects.list('pods', 'ci', `writ.job=${name.slice('writ-'.length)}`)
const until = async (what: () => boolean) => {
  for (const end = Date.now() + 15_000; !what(); await new Promise(resolve => setTimeout(resolve, 10)))
    if (Date.now() > end) throw new Error(`not in time: ${what}`)
}

test('a Job from its creation to its removal: nothing runs before its start, and nothing is left', async () => {
  const script =
    'echo commit $GIT_COMMIT; echo $VAULT_REQUEST_TOKEN_A $VAULTS_B64_JSON; cat /run/writ/ca.crt; echo; sleep 0.5; echo oops >&2; exit 3'
  const spec = specOf(script)
  const id = await runtime.create(spec)
  expect(id).toMatch(/^ci\/writ-[0-9a-f]{24}\/[0-9a-f-]{36}$/)
  expect(await runtime.create(spec)).toBeNull()
  expect(await runtime.find(spec.name)).toMatchObject({ phase: 'created', id, labels: spec.labels })
  const attachment = await runtime.start(id ?? '', GIVEN)
  await expect(runtime.start(id ?? '', GIVEN)).rejects.toMatchObject({ code: 'container_refused' })
  expect(await runtime.removeUnstarted(spec.name)).toBe(false)
  const run = await finished(attachment)
  expect(run).toMatchObject({ exit: { code: 3, outOfMemory: false }, system: '' })
  expect(run.stdout).toContain(`commit ${'c'.repeat(40)}\ncanary-token W10=\nthe-ca`)
  expect(run.stdout).toContain('oops\n')
  expect(await runtime.find(spec.name)).toMatchObject({ phase: 'exited' })
  // whoever takes over reads the same, and the same end
  expect(await finished(await runtime.attach(spec.name, START))).toMatchObject({
    stdout: run.stdout,
    exit: { code: 3 },
  })
  expect(await finished(await runtime.attach(spec.name, run.cursor))).toMatchObject({ stdout: '', exit: { code: 3 } })
  await runtime.remove(spec.name)
  expect(await runtime.find(spec.name)).toBeNull()
  await until(() => pods(spec.name).length + cluster.objects.list('secrets', 'ci').length === 0)
  await runtime.remove(spec.name)
  expect(await runtime.removeUnstarted(spec.name)).toBe(true)
  expect(cluster.controller.made.get(id?.split('/')[2] ?? '')).toBe(1)
})

test('no secret is in the Job, and the one that holds them cannot be changed and goes with it', async () => {
  const { spec, attachment } = await started('true')
  const [secret] = cluster.objects.list('secrets', 'ci', `writ.job=${spec.labels['writ.job']}`)
  const job = cluster.objects.get('jobs', 'ci', spec.name)
  expect(secret).toMatchObject({ immutable: true, metadata: { ownerReferences: [{ uid: job.metadata.uid }] } })
  const canary = Buffer.from('canary-token').toString('base64')
  expect(JSON.stringify(secret)).toContain(canary)
  await finished(attachment)
  expect(cluster.seen.length).toBeGreaterThan(2)
  for (const text of cluster.seen) for (const form of ['canary-token', canary]) expect(text).not.toContain(form)
  cluster.objects.remove('jobs', 'ci', spec.name)
  await until(() => cluster.objects.list('secrets', 'ci').length === 0)
})

test('init containers run before, and their output comes first', async () => {
  const initContainers = [
    { name: 'clone', image, command: ['sh', '-c', 'echo cloning $GIT_COMMIT; env | grep -c TOKEN_A || true'] },
  ]
  const { spec, attachment } = await started('', { template: podTemplate('echo running', { initContainers }) })
  expect(await finished(attachment)).toMatchObject({
    stdout: `cloning ${'c'.repeat(40)}\n0\nrunning\n`,
    exit: { code: 0 },
  })
  await runtime.remove(spec.name)
  const failing = [{ name: 'clone', image, command: ['sh', '-c', 'echo no such commit; exit 5'] }]
  const other = await started('', { template: podTemplate('echo running', { initContainers: failing }) })
  expect(await finished(other.attachment)).toMatchObject({
    stdout: 'no such commit\n',
    system: 'Kubernetes: clone ended with code 5\n',
    exit: { code: 5 },
  })
  await runtime.remove(other.spec.name)
})

describe('a Job that is stopped', () => {
  test('gets SIGTERM and its grace', async () => {
    const { spec, attachment } = await started('trap "echo told; exit 9" TERM; echo up; while :; do sleep 0.1; done')
    const run = finished(attachment)
    await until(() => pods(spec.name)[0]?.status.phase === 'Running')
    await new Promise(resolve => setTimeout(resolve, 300))
    await runtime.stop(spec.name, 5)
    await runtime.stop(spec.name, 5)
    const { stdout, exit } = await run
    expect(stdout).toBe('up\ntold\n')
    expect(exit?.code).toBe(9)
    await runtime.remove(spec.name)
  })

  test('before it has a pod gets none', async () => {
    cluster.controller.paused = true
    const { spec, attachment } = await started('echo never')
    await runtime.stop(spec.name, 1)
    await new Promise(resolve => setTimeout(resolve, 1_100))
    cluster.controller.paused = false
    expect(await finished(attachment)).toMatchObject({ stdout: '', exit: { code: 137, late: true } })
    await runtime.remove(spec.name)
    await runtime.stop(spec.name, 1)
  })

  test('by its own deadline says so', async () => {
    const { spec, attachment } = await started('echo up; sleep 60', { deadlineSeconds: 2 })
    expect(await finished(attachment)).toMatchObject({ stdout: 'up\n', exit: { late: true } })
    await runtime.remove(spec.name)
  })
})

describe('a pod that does not start', () => {
  test('for want of its image says why, and is given up', async () => {
    const impatient = runtimeOf({ startMs: 1_500 })
    const template = podTemplate('true', {}, { image: 'no-such.example/image:1' })
    const { spec, attachment } = await started('', { template }, impatient)
    const run = await finished(attachment)
    expect(run).toMatchObject({ code: 'pod_not_started', stdout: '' })
    expect(run.system).toBe('Kubernetes: main: ErrImagePull: no such image: no-such.example/image:1\n')
    await runtime.remove(spec.name)
  })

  test('for want of a controller is waited for, and then out of reach: nothing is known of it', async () => {
    const impatient = runtimeOf({ startMs: 500, endMs: 500 })
    cluster.controller.paused = true
    const { spec, attachment } = await started('true', {}, impatient)
    expect(await finished(attachment)).toMatchObject({ code: 'runtime_unavailable' })
    cluster.controller.paused = false
    await runtime.remove(spec.name)
  })
})

describe('the output', () => {
  const COUNT = 'i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); [ $((i%20)) = 0 ] && sleep 0.05; done'
  const ALL = Array.from({ length: 400 }, (_, i) => `line ${i}\n`).join('')

  test('goes on from where the last attempt got to, without a gap and without anything twice', async () => {
    const { spec, attachment } = await started(COUNT)
    let text = ''
    let cursor = START
    let from = attachment
    for (const lines of [33, 150, 151, 390, 1_000]) {
      const run = await finished(from, got => (text + got).split('\n').length > lines)
      text += run.stdout
      cursor = { stdout: cursor.stdout + run.cursor.stdout, stderr: 0 }
      // another node: nothing but the cursor is known there
      from = await runtimeOf().attach(spec.name, cursor)
      if (lines === 150) cluster.kubelet.rotate(pods(spec.name)[0].metadata.name, 'main')
    }
    expect(text).toBe(ALL)
    await runtime.remove(spec.name)
  })

  test('is whole although its line is cut, ended and hung up again and again', async () => {
    const { spec, attachment } = await started(COUNT)
    const timer = setInterval(() => (Math.random() < 0.5 ? cluster.cut() : cluster.endLogs()), 130)
    const run = await finished(attachment).finally(() => clearInterval(timer))
    expect(run).toMatchObject({ stdout: ALL, exit: { code: 0 } })
    await runtime.remove(spec.name)
  })

  test('that cannot be read does not keep a job from its end, and it is said', async () => {
    cluster.forbidden.add('get pods/log')
    const { spec, attachment } = await started('echo unseen')
    expect(await finished(attachment)).toMatchObject({
      stdout: '',
      system: 'Kubernetes: the end of the output cannot be read any more\n',
      exit: { code: 0 },
    })
    await runtime.remove(spec.name)
  })
})

describe('what cannot be known is not said', () => {
  test.each<[string, (name: string) => void]>([
    ['is deleted by somebody', name => cluster.objects.remove('jobs', 'ci', name)],
    ['is suspended by somebody', name => cluster.objects.patch('jobs', 'ci', name, { spec: { suspend: true } })],
    [
      'is replaced by another',
      name => {
        const job = structuredClone(cluster.objects.get('jobs', 'ci', name))
        cluster.objects.drop('jobs', cluster.objects.get('jobs', 'ci', name))
        cluster.objects.create('jobs', 'ci', job)
      },
    ],
    [
      'gets a second pod',
      name => {
        const [pod] = pods(name)
        cluster.objects.create('pods', 'ci', { ...pod, metadata: { ...pod.metadata, name: `${name}-second` } })
      },
    ],
  ])('a Job that %s', async (_, change) => {
    const { spec, attachment } = await started('echo up; sleep 2')
    const run = finished(attachment)
    await until(() => pods(spec.name)[0]?.status.phase === 'Running')
    change(spec.name)
    expect(await run).toMatchObject({ code: 'container_lost' })
    if (await runtime.find(spec.name)) await runtime.remove(spec.name)
    for (const pod of pods(spec.name)) cluster.objects.drop('pods', pod)
  })

  test('a pod that somebody deletes has failed', async () => {
    const { spec, attachment } = await started('echo up; sleep 60')
    const run = finished(attachment)
    await until(() => pods(spec.name)[0]?.status.phase === 'Running')
    cluster.objects.remove('pods', 'ci', pods(spec.name)[0].metadata.name, { gracePeriodSeconds: 1 })
    const { exit, code } = await run
    expect(code).toBe('')
    expect(exit?.code).toBeGreaterThan(0)
    expect(exit?.late).toBeUndefined()
    await runtime.remove(spec.name)
  })

  test('a Job of somebody else is never touched', async () => {
    const spec = specOf('true', { labels: { 'writ.installation': 'another', 'writ.attempt': '1' } })
    await runtime.create(spec)
    for (const action of [runtime.find, runtime.remove, runtime.removeUnstarted])
      await expect(action(spec.name)).rejects.toMatchObject({ code: 'container_refused' })
    await expect(runtime.stop(spec.name, 1)).rejects.toMatchObject({ code: 'container_refused' })
    expect(await runtime.create(specOf('true', { name: spec.name }))).toBeNull()
    expect(cluster.objects.find('jobs', 'ci', spec.name)).toBeDefined()
    cluster.objects.remove('jobs', 'ci', spec.name)
  })
})

describe('two attempts at one job', () => {
  test('a slow one cannot start what the next has made, nor what is gone', async () => {
    const spec = specOf('true')
    const first = (await runtime.create(spec)) ?? ''
    expect(await runtime.removeUnstarted(spec.name)).toBe(true)
    await expect(runtime.start(first, GIVEN)).rejects.toMatchObject({ code: 'container_lost' })
    const second = (await runtime.create({ ...spec, labels: { ...spec.labels, 'writ.attempt': '2' } })) ?? ''
    await expect(runtime.start(first, GIVEN)).rejects.toMatchObject({ code: 'container_lost' })
    expect(await finished(await runtime.start(second, GIVEN))).toMatchObject({ exit: { code: 0 } })
    expect([...cluster.controller.made].filter(([uid]) => first.includes(uid))).toEqual([])
    await runtime.remove(spec.name)
  })

  test('one is started while the other removes it: one of them wins', async () => {
    for (let i = 0; i < 10; i += 1) {
      const spec = specOf('true')
      const id = (await runtime.create(spec)) ?? ''
      const [start, removed] = await Promise.allSettled([
        runtime.start(id, GIVEN),
        runtimeOf().removeUnstarted(spec.name),
      ])
      const ran = start.status === 'fulfilled'
      expect(removed).toMatchObject({ status: 'fulfilled', value: !ran })
      if (ran) expect(await finished(start.value)).toMatchObject({ exit: { code: 0 } })
      await runtime.remove(spec.name)
    }
  })
})

describe('an API that fails', () => {
  test.each(['hang', 'cut', 500, 503, 429, 307, 200] as const)('%s: is away, for every question', async how => {
    const spec = specOf('true')
    const id = (await runtime.create(spec)) ?? ''
    cluster.trouble = () => how
    const away = expect.objectContaining({ code: 'runtime_unavailable' })
    await expect(runtime.create(specOf('true'))).rejects.toEqual(away)
    await expect(runtime.start(id, GIVEN)).rejects.toEqual(away)
    await expect(runtime.find(spec.name)).rejects.toEqual(away)
    await expect(runtime.list('writ.installation', 'test')).rejects.toEqual(away)
    await expect(runtime.remove(spec.name)).rejects.toEqual(away)
    cluster.trouble = () => null
    expect(await runtime.find(spec.name)).toMatchObject({ phase: 'created' })
    await runtime.remove(spec.name)
  })

  test.each(['create jobs', 'create secrets', 'patch jobs'])('that we may not %s is a refusal', async verb => {
    cluster.forbidden.add(verb)
    const refused = expect.objectContaining({
      code: 'kubernetes_refused',
      detail: expect.stringContaining('forbidden'),
    })
    const spec = specOf('true')
    const run = async () => await runtime.start((await runtime.create(spec)) ?? '', GIVEN)
    await expect(run()).rejects.toEqual(refused)
    expect(pods(spec.name)).toEqual([])
    await runtime.remove(spec.name)
  })

  test('that we may not look is no reason to give up what may run', async () => {
    const { spec, attachment } = await started('sleep 1; echo there')
    cluster.forbidden.add('get jobs')
    await expect(runtime.find(spec.name)).rejects.toMatchObject({ code: 'runtime_unavailable' })
    setTimeout(() => cluster.forbidden.clear(), 1_200)
    expect(await finished(attachment)).toMatchObject({ stdout: 'there\n', exit: { code: 0 } })
    await runtime.remove(spec.name)
  })

  test('with words of its own about a Job that it does not like', async () => {
    const template = podTemplate('true', {}, { name: 'Not_A_Name' })
    const refused = { code: 'kubernetes_job_refused', detail: expect.stringContaining('containers[0].name') }
    await expect(runtime.create(specOf('', { template }))).rejects.toMatchObject(refused)
    await expect(runtime.check(specOf('', { template }))).rejects.toMatchObject(refused)
    const fine = specOf('true')
    await runtime.check(fine)
    expect(await runtime.find(fine.name)).toBeNull()
  })

  test('that is away while a job runs is waited for, and then the run is out of reach', async () => {
    const { spec, attachment } = await started('echo up; sleep 30')
    const run = finished(attachment)
    await until(() => pods(spec.name)[0]?.status.phase === 'Running')
    await new Promise(resolve => setTimeout(resolve, 500))
    cluster.trouble = () => 500
    cluster.cut()
    expect(await run).toMatchObject({ stdout: 'up\n', code: 'runtime_unavailable' })
    cluster.trouble = () => null
    await runtime.stop(spec.name, 0)
    await runtime.remove(spec.name)
  })

  test('a node that goes away lets go at once', async () => {
    const gone = new AbortController()
    const spec = specOf('echo up; sleep 30')
    const id = (await runtime.create(spec)) ?? ''
    const run = finished(await runtime.start(id, GIVEN, gone.signal))
    await until(() => pods(spec.name)[0]?.status.phase === 'Running')
    gone.abort(new Error('it goes away'))
    await expect(run).rejects.toThrow('it goes away')
    await runtime.stop(spec.name, 0)
    await runtime.remove(spec.name)
  })
})
