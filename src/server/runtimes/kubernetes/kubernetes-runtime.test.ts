import { describe, expect, test } from 'vitest'
import { finished, GIVEN, KubernetesFixture, until } from '../../../../test/kubernetes/fixture.ts'

const k = new KubernetesFixture()

const START = { stdout: 0, stderr: 0 }

test('a Job from its creation to its removal: nothing runs before its start, and nothing is left', async () => {
  const script =
    'echo commit $GIT_COMMIT; echo $VAULT_REQUEST_TOKEN_A $VAULTS_B64_JSON; cat /run/writ/ca.crt; echo; sleep 0.5; echo oops >&2; exit 3'
  const spec = k.spec(script)
  const id = await k.runtime.create(spec)
  expect(id).toMatch(/^ci\/writ-[0-9a-f]{24}\/[0-9a-f-]{36}$/)
  expect(await k.runtime.create(spec)).toBeNull()
  expect(await k.runtime.find(spec.name)).toMatchObject({ phase: 'created', id, labels: spec.labels })
  // of an earlier one of that name, which is gone
  const earlier = `${id?.slice(0, -4)}0000`
  expect(await k.runtime.find(earlier)).toBeNull()
  await k.runtime.remove(earlier)
  expect(await k.runtime.removeUnstarted(earlier)).toBe(true)
  expect(await k.runtime.find(id ?? '')).toMatchObject({ phase: 'created', id })
  const attachment = await k.runtime.start(id ?? '', GIVEN)
  await expect(k.runtime.start(id ?? '', GIVEN)).rejects.toMatchObject({ code: 'container_refused' })
  expect(await k.runtime.removeUnstarted(spec.name)).toBe(false)
  const run = await finished(attachment)
  expect(run).toMatchObject({ exit: { code: 3, outOfMemory: false }, system: '' })
  expect(run.stdout).toContain(`commit ${'c'.repeat(40)}\ncanary-token W10=\nthe-ca`)
  expect(run.stdout).toContain('oops\n')
  expect(await k.runtime.find(spec.name)).toMatchObject({ phase: 'exited' })
  // whoever takes over reads the same, and the same end
  expect(await finished(await k.runtime.attach(spec.name, START))).toMatchObject({
    stdout: run.stdout,
    exit: { code: 3 },
  })
  expect(await finished(await k.runtime.attach(spec.name, run.cursor))).toMatchObject({ stdout: '', exit: { code: 3 } })
  await k.runtime.remove(spec.name)
  expect(await k.runtime.find(spec.name)).toBeNull()
  await until(() => k.pods(spec.name).length + k.secrets().length === 0)
  await k.runtime.remove(spec.name)
  expect(await k.runtime.removeUnstarted(spec.name)).toBe(true)
  expect(k.cluster.controller.made.get(id?.split('/')[2] ?? '')).toBe(1)
})

test('no secret is in the Job, and the one that holds them cannot be changed and goes with it', async () => {
  const { spec, attachment } = await k.start('true')
  const [secret] = k.cluster.objects.list('secrets', 'ci', `writ.job=${spec.labels['writ.job']}`)
  const job = k.cluster.objects.get('jobs', 'ci', spec.name)
  expect(secret).toMatchObject({ immutable: true, metadata: { ownerReferences: [{ uid: job.metadata.uid }] } })
  const canary = Buffer.from('canary-token').toString('base64')
  expect(JSON.stringify(secret)).toContain(canary)
  await finished(attachment)
  expect(k.cluster.seen.length).toBeGreaterThan(2)
  for (const text of k.cluster.seen) for (const form of ['canary-token', canary]) expect(text).not.toContain(form)
  k.cluster.objects.remove('jobs', 'ci', spec.name)
  await until(() => k.secrets().length === 0)
})

test('init containers run before, and their output comes first', async () => {
  const initContainers = [
    { name: 'clone', image: k.image, command: ['sh', '-c', 'echo cloning $GIT_COMMIT; env | grep -c TOKEN_A || true'] },
  ]
  const { spec, attachment } = await k.start('', { template: k.template('echo running', { initContainers }) })
  expect(await finished(attachment)).toMatchObject({
    stdout: `cloning ${'c'.repeat(40)}\n0\nrunning\n`,
    exit: { code: 0 },
  })
  await k.runtime.remove(spec.name)
  const failing = [{ name: 'clone', image: k.image, command: ['sh', '-c', 'echo no such commit; exit 5'] }]
  const other = await k.start('', { template: k.template('echo running', { initContainers: failing }) })
  expect(await finished(other.attachment)).toMatchObject({
    stdout: 'no such commit\n',
    system: 'Kubernetes: clone ended with code 5\n',
    exit: { code: 5 },
  })
  await k.runtime.remove(other.spec.name)
})

describe('a Job that is stopped', () => {
  test('gets SIGTERM and its grace', async () => {
    const { spec, attachment } = await k.start('trap "echo told; exit 9" TERM; echo up; while :; do sleep 0.1; done')
    const run = finished(attachment)
    await k.running(spec.name)
    await new Promise(resolve => setTimeout(resolve, 300))
    await k.runtime.stop(spec.name, 5)
    await k.runtime.stop(spec.name, 5)
    const { stdout, exit } = await run
    expect(stdout).toBe('up\ntold\n')
    expect(exit?.code).toBe(9)
    await k.runtime.remove(spec.name)
  })

  test('gets no more grace than it is given, although the cluster stops it as well, with its own', async () => {
    const { spec, attachment } = await k.start('trap "" TERM; echo up; while :; do sleep 0.1; done')
    const run = finished(attachment)
    await k.running(spec.name)
    k.cluster.trouble = (method, path) => {
      // the Job controller is there first
      if (method !== 'GET' || !path.includes('/pods?')) return null
      for (const { metadata } of k.pods(spec.name)) k.cluster.objects.remove('pods', 'ci', metadata.name)
      return null
    }
    await k.runtime.stop(spec.name, 1)
    k.cluster.trouble = () => null
    expect(k.pods(spec.name)[0]?.metadata.deletionGracePeriodSeconds).toBe(1)
    expect((await run).exit?.code).toBe(137)
    await k.runtime.remove(spec.name)
  })

  test('before it has a pod gets none', async () => {
    k.cluster.controller.paused = true
    const { spec, attachment } = await k.start('echo never')
    await k.runtime.stop(spec.name, 1)
    await new Promise(resolve => setTimeout(resolve, 1_100))
    k.cluster.controller.paused = false
    expect(await finished(attachment)).toMatchObject({ stdout: '', exit: { code: 137, late: true } })
    await k.runtime.remove(spec.name)
    await k.runtime.stop(spec.name, 1)
  })

  test('by its own deadline says so', async () => {
    const { spec, attachment } = await k.start('echo up; sleep 60', { deadlineSeconds: 2 })
    expect(await finished(attachment)).toMatchObject({ stdout: 'up\n', exit: { late: true } })
    await k.runtime.remove(spec.name)
  })
})

describe('a pod that does not start', () => {
  test('for want of its image says why, and is given up', async () => {
    const impatient = k.server({ startMs: 1_500 })
    const template = k.template('true', {}, { image: 'no-such.example/image:1' })
    const { spec, attachment } = await k.start('', { template }, impatient)
    const run = await finished(attachment)
    expect(run).toMatchObject({ code: 'pod_not_started', stdout: '' })
    expect(run.system).toBe('Kubernetes: main: ErrImagePull: no such image: no-such.example/image:1\n')
    await k.runtime.remove(spec.name)
  })

  test('for want of a controller is waited for, and then out of reach: nothing is known of it', async () => {
    const impatient = k.server({ startMs: 500, endMs: 500 })
    k.cluster.controller.paused = true
    const { spec, attachment } = await k.start('true', {}, impatient)
    expect(await finished(attachment)).toMatchObject({ code: 'runtime_unavailable' })
    k.cluster.controller.paused = false
    await k.runtime.remove(spec.name)
  })
})

describe('the output', () => {
  const COUNT = 'i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); [ $((i%20)) = 0 ] && sleep 0.05; done'
  const ALL = Array.from({ length: 400 }, (_, i) => `line ${i}\n`).join('')

  test('goes on from where the last attempt got to, without a gap and without anything twice', async () => {
    const { spec, attachment } = await k.start(COUNT)
    let text = ''
    let cursor = START
    let from = attachment
    for (const lines of [33, 150, 151, 390, 1_000]) {
      const run = await finished(from, got => (text + got).split('\n').length > lines)
      text += run.stdout
      cursor = { stdout: cursor.stdout + run.cursor.stdout, stderr: 0 }
      // another node: nothing but the cursor is known there
      from = await k.server().attach(spec.name, cursor)
      // of what was read, at most: of a quick job's half of the log might be more
      if (lines === 150) k.cluster.kubelet.rotate(k.pods(spec.name)[0].metadata.name, 'main', 100)
    }
    expect(text).toBe(ALL)
    await k.runtime.remove(spec.name)
  })

  test('whose beginning is forgotten before it was read has a gap, which is said, once', async () => {
    const { spec, attachment } = await k.start(COUNT)
    const run = await finished(attachment, text => text.includes('line 30\n'))
    const [pod] = k.pods(spec.name)
    await until(() => k.pods(spec.name)[0]?.status.phase === 'Succeeded')
    k.cluster.kubelet.rotate(pod.metadata.name, 'main')
    const rest = await finished(await k.server().attach(spec.name, run.cursor))
    expect(rest.system).toMatch(/^Output may be missing here: .*\n$/)
    const [first = ''] = rest.stdout.split('\n')
    expect(first).not.toBe('line 31')
    expect(rest.stdout).toBe(ALL.slice(ALL.indexOf(`${first}\n`)))
    await k.runtime.remove(spec.name)
  })

  test('that ends at once, again and again, is not asked for without end', async () => {
    k.cluster.trouble = (_, path) => (path.includes('/log') ? 'empty' : null)
    const { spec, attachment } = await k.start('sleep 3; echo there')
    const run = finished(attachment)
    await k.running(spec.name)
    await new Promise(resolve => setTimeout(resolve, 2_500))
    expect(k.cluster.asked.filter(each => each.includes(spec.name) && each.includes('/log')).length).toBeLessThan(15)
    k.cluster.trouble = () => null
    expect(await run).toMatchObject({ stdout: 'there\n', system: '', exit: { code: 0 } })
    await k.runtime.remove(spec.name)
  })

  test('is whole although its line is cut, ended and hung up again and again', async () => {
    const { spec, attachment } = await k.start(COUNT)
    const timer = setInterval(() => (Math.random() < 0.5 ? k.cluster.cut() : k.cluster.endLogs()), 130)
    const run = await finished(attachment).finally(() => clearInterval(timer))
    expect(run).toMatchObject({ stdout: ALL, exit: { code: 0 } })
    await k.runtime.remove(spec.name)
  })

  test('that cannot be read does not keep a job from its end, and it is said', async () => {
    k.cluster.forbidden.add('get pods/log')
    const { spec, attachment } = await k.start('echo unseen')
    expect(await finished(attachment)).toMatchObject({
      stdout: '',
      system: 'Kubernetes: the end of the output cannot be read any more\n',
      exit: { code: 0 },
    })
    await k.runtime.remove(spec.name)
  })
})
