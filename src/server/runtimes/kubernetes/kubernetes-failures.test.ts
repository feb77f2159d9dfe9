import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { finished, GIVEN, KubernetesFixture, until } from '../../../../test/kubernetes/fixture.ts'

const k = new KubernetesFixture()

describe('what cannot be known is not said', () => {
  test.each<[string, (name: string) => void]>([
    ['is deleted by somebody', name => k.cluster.objects.remove('jobs', 'ci', name)],
    ['is suspended by somebody', name => k.cluster.objects.patch('jobs', 'ci', name, { spec: { suspend: true } })],
    [
      'is replaced by another',
      name => {
        const job = structuredClone(k.cluster.objects.get('jobs', 'ci', name))
        k.cluster.objects.drop('jobs', k.cluster.objects.get('jobs', 'ci', name))
        k.cluster.objects.create('jobs', 'ci', job)
      },
    ],
    [
      'gets a second pod',
      name => {
        const [pod] = k.pods(name)
        k.cluster.objects.create('pods', 'ci', { ...pod, metadata: { ...pod.metadata, name: `${name}-second` } })
      },
    ],
  ])('a Job that %s', async (_, change) => {
    const { spec, attachment } = await k.start('echo up; sleep 2')
    const run = finished(attachment)
    await k.running(spec.name)
    change(spec.name)
    expect(await run).toMatchObject({ code: 'container_lost' })
    if (await k.runtime.find(spec.name)) await k.runtime.remove(spec.name)
    for (const pod of k.pods(spec.name)) k.cluster.objects.drop('pods', pod)
  })

  test('a pod that ran and went between two looks is not one that never started', async () => {
    const { spec, attachment } = await k.start('sleep 60')
    k.cluster.trouble = (_, path) => (path.includes('/pods?') && k.pods(spec.name).length > 0 ? 503 : null)
    const run = finished(attachment)
    await k.running(spec.name)
    const [pod] = k.pods(spec.name)
    k.cluster.objects.remove('pods', 'ci', pod.metadata.name, { gracePeriodSeconds: 0 })
    expect(await run).toMatchObject({ exit: { uncertain: true }, code: '' })
    await k.runtime.remove(spec.name)
  })

  test('a pod that somebody deletes has failed', async () => {
    const { spec, attachment } = await k.start('echo up; sleep 60')
    const run = finished(attachment)
    await k.running(spec.name)
    k.cluster.objects.remove('pods', 'ci', k.pods(spec.name)[0].metadata.name, { gracePeriodSeconds: 1 })
    const { exit, code } = await run
    expect(code).toBe('')
    expect(exit?.code).toBeGreaterThan(0)
    expect(exit?.late).toBeUndefined()
    await k.runtime.remove(spec.name)
  })

  test('a Job of somebody else is never touched', async () => {
    const spec = k.spec('true', { labels: { 'writ.installation': 'another', 'writ.attempt': '1' } })
    await k.runtime.create(spec)
    for (const action of [k.runtime.find, k.runtime.remove, k.runtime.removeUnstarted])
      await expect(action(spec.name)).rejects.toMatchObject({ code: 'container_refused' })
    await expect(k.runtime.stop(spec.name, 1)).rejects.toMatchObject({ code: 'container_refused' })
    expect(await k.runtime.create(k.spec('true', { name: spec.name }))).toBeNull()
    expect(k.cluster.objects.find('jobs', 'ci', spec.name)).toBeDefined()
    k.cluster.objects.remove('jobs', 'ci', spec.name)
  })
})

describe('two attempts at one job', () => {
  test('a slow one cannot start what the next has made, nor what is gone', async () => {
    const spec = k.spec('true')
    const first = (await k.runtime.create(spec)) ?? ''
    expect(await k.runtime.removeUnstarted(spec.name)).toBe(true)
    await expect(k.runtime.start(first, GIVEN)).rejects.toMatchObject({ code: 'container_lost' })
    const second = (await k.runtime.create({ ...spec, labels: { ...spec.labels, 'writ.attempt': '2' } })) ?? ''
    await expect(k.runtime.start(first, GIVEN)).rejects.toMatchObject({ code: 'container_lost' })
    expect(await finished(await k.runtime.start(second, GIVEN))).toMatchObject({ exit: { code: 0 } })
    expect([...k.cluster.controller.made].filter(([uid]) => first.includes(uid))).toEqual([])
    await k.runtime.remove(spec.name)
  })

  test('one is started while the other removes it: one of them wins', async () => {
    for (let i = 0; i < 10; i += 1) {
      const spec = k.spec('true')
      const id = (await k.runtime.create(spec)) ?? ''
      const [start, removed] = await Promise.allSettled([
        k.runtime.start(id, GIVEN),
        k.server().removeUnstarted(spec.name),
      ])
      const ran = start.status === 'fulfilled'
      expect(removed).toMatchObject({ status: 'fulfilled', value: !ran })
      if (ran) expect(await finished(start.value)).toMatchObject({ exit: { code: 0 } })
      await k.runtime.remove(spec.name)
    }
  })
})

describe('an API that fails', () => {
  test.each(['hang', 'cut', 500, 503, 429, 307, 200] as const)('%s: is away, for every question', async how => {
    const spec = k.spec('true')
    const id = (await k.runtime.create(spec)) ?? ''
    k.cluster.trouble = () => how
    const away = expect.objectContaining({ code: 'runtime_unavailable' })
    await expect(k.runtime.create(k.spec('true'))).rejects.toEqual(away)
    await expect(k.runtime.start(id, GIVEN)).rejects.toEqual(away)
    await expect(k.runtime.find(spec.name)).rejects.toEqual(away)
    await expect(k.runtime.list('writ.installation', 'test')).rejects.toEqual(away)
    await expect(k.runtime.remove(spec.name)).rejects.toEqual(away)
    k.cluster.trouble = () => null
    expect(await k.runtime.find(spec.name)).toMatchObject({ phase: 'created' })
    await k.runtime.remove(spec.name)
  })

  test.each(['create jobs', 'create secrets', 'patch jobs'])('that we may not %s is a refusal', async verb => {
    k.cluster.forbidden.add(verb)
    const refused = expect.objectContaining({
      code: 'kubernetes_refused',
      detail: expect.stringContaining('forbidden'),
    })
    const spec = k.spec('true')
    const run = async () => await k.runtime.start((await k.runtime.create(spec)) ?? '', GIVEN)
    await expect(run()).rejects.toEqual(refused)
    expect(k.pods(spec.name)).toEqual([])
    await k.runtime.remove(spec.name)
  })

  test('with a token that it does not take: nothing is made; the file is read again for each request', async () => {
    const good = readFileSync(k.cluster.tokenFile, 'utf8')
    const { spec, attachment } = await k.start('sleep 1; echo there')
    writeFileSync(k.cluster.tokenFile, 'expired')
    try {
      await expect(k.runtime.create(k.spec('true'))).rejects.toMatchObject({ code: 'kubernetes_refused' })
      await expect(k.runtime.find(spec.name)).rejects.toMatchObject({ code: 'runtime_unavailable' })
      rmSync(k.cluster.tokenFile)
      await expect(k.runtime.create(k.spec('true'))).rejects.toMatchObject({ code: 'runtime_unavailable' })
    } finally {
      writeFileSync(k.cluster.tokenFile, good)
    }
    expect(await finished(attachment)).toMatchObject({ stdout: 'there\n', exit: { code: 0 } })
    await k.runtime.remove(spec.name)
  })

  test('that we may not look is no reason to give up what may run', async () => {
    const { spec, attachment } = await k.start('sleep 1; echo there')
    k.cluster.forbidden.add('get jobs')
    await expect(k.runtime.find(spec.name)).rejects.toMatchObject({ code: 'runtime_unavailable' })
    setTimeout(() => k.cluster.forbidden.clear(), 1_200)
    expect(await finished(attachment)).toMatchObject({ stdout: 'there\n', exit: { code: 0 } })
    await k.runtime.remove(spec.name)
  })

  test('with words of its own about a Job that it does not like', async () => {
    const template = k.template('true', {}, { name: 'Not_A_Name' })
    const refused = { code: 'kubernetes_job_refused', detail: expect.stringContaining('containers[0].name') }
    await expect(k.runtime.create(k.spec('', { template }))).rejects.toMatchObject(refused)
    await expect(k.runtime.check(k.spec('', { template }))).rejects.toMatchObject(refused)
    const fine = k.spec('true')
    await k.runtime.check(fine)
    expect(await k.runtime.find(fine.name)).toBeNull()
  })

  test('that is away while a job runs is waited for, and then the run is out of reach', async () => {
    const { spec, attachment } = await k.start('echo up; sleep 30')
    let heard = ''
    const run = finished(attachment, text => {
      heard = text
      return false
    })
    await until(() => heard === 'up\n')
    k.cluster.trouble = () => 500
    k.cluster.cut()
    expect(await run).toMatchObject({ stdout: 'up\n', code: 'runtime_unavailable' })
    k.cluster.trouble = () => null
    await k.runtime.stop(spec.name, 0)
    await k.runtime.remove(spec.name)
  })

  test('a node that goes away lets go at once', async () => {
    const gone = new AbortController()
    const spec = k.spec('echo up; sleep 30')
    const id = (await k.runtime.create(spec)) ?? ''
    const run = finished(await k.runtime.start(id, GIVEN, gone.signal))
    await k.running(spec.name)
    gone.abort(new Error('it goes away'))
    await expect(run).rejects.toThrow('it goes away')
    await k.runtime.stop(spec.name, 0)
    await k.runtime.remove(spec.name)
  })
})

test('whether it answers: there, forbidden, broken, away', async () => {
  const answers = async () => await k.runtime.answers(AbortSignal.timeout(10_000))
  await answers()
  k.cluster.forbidden.add('list jobs')
  await expect(answers()).rejects.toMatchObject({ code: 'runtime_unavailable' })
  k.cluster.forbidden.clear()
  for (const trouble of [500, 'hang', 'cut', 'empty'] as const) {
    k.cluster.trouble = () => trouble
    await expect(answers()).rejects.toMatchObject({ code: 'runtime_unavailable' })
  }
})
