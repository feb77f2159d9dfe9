import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxEntries, ensureBusyboxImage, importImage, tarOf } from '../../../../test/busybox-image.ts'
import { DockerFixture } from '../../../../test/docker-fixture.ts'
import { TinyRegistry } from '../../../../test/tiny-registry.ts'
import { dockerRuntime } from './docker-runtime.ts'
import { EngineError } from './engine-error.ts'
import { PAUSE_LABEL, SLOT_LABEL, Slots } from './slots.ts'
import { clearAfter, tidy } from './tidy.ts'
import { WARM_LABEL } from './warm.ts'

const docker = new DockerFixture()
const owner = ['writ.test-tidy', randomBytes(6).toString('hex')] as const
const HOUR = 3_600_000
const NONE = { slots: null, warm: null }
const options = { owner, preparedMs: 24 * HOUR, orphanMs: 0 }

const exists = (path: string) =>
  docker.engine.json('GET', path).then(
    () => true,
    error => {
      if (error instanceof EngineError && error.status === 404) return false
      throw error
    },
  )

async function container(labels: Record<string, string>, start = true, called?: string): Promise<string> {
  const body = {
    Image: await ensureBusyboxImage(),
    Cmd: ['sleep', '300'],
    Labels: { 'writ.test': docker.label, ...labels },
    HostConfig: { NetworkMode: 'none', Init: true },
  }
  const query = called ? { name: called } : {}
  const { Id } = await docker.engine.json<{ Id: string }>('POST', '/containers/create', { query, body })
  if (start) await docker.engine.json('POST', `/containers/${Id}/start`)
  return Id
}

const slotName = () => `writ-slot-${randomBytes(6).toString('hex')}-1`
const mine = { [owner[0]]: owner[1] }
const slot = (name: string, labels: Record<string, string> = mine) =>
  container({ ...labels, [PAUSE_LABEL]: name }, true, name)

test('slots of processes that are gone are removed, but for those in use, those that are new and those of others', async () => {
  const [inUse, taken] = [slotName(), slotName()]
  const left = await slot(slotName())
  const used = await slot(inUse)
  const user = await container({ [SLOT_LABEL]: inUse })
  const waiting = await slot(taken)
  const created = await container({ [SLOT_LABEL]: taken }, false)
  const others = await slot(slotName(), { [owner[0]]: 'another' })
  const foreign = await container({})
  const job = await container(mine)
  await tidy(docker.engine, NONE, { ...options, orphanMs: HOUR })
  expect(await exists(`/containers/${left}/json`)).toBe(true)
  await tidy(docker.engine, NONE, options)
  const there = await Promise.all(
    [left, used, user, waiting, created, others, foreign, job].map(id => exists(`/containers/${id}/json`)),
  )
  expect(there).toEqual([false, true, true, true, true, true, true, true])
  await docker.engine.json('POST', `/containers/${user}/kill`)
  await docker.engine.json('POST', `/containers/${user}/wait`)
  await tidy(docker.engine, NONE, options)
  expect(await exists(`/containers/${used}/json`)).toBe(false)
})

test('what a node that is gone kept is removed however new it is: but for what jobs are in, what it may still give to one, and what lives', async () => {
  const of = (node: string) => ({ ...mine, 'writ.test-node': node })
  const [inUse, gate] = [slotName(), `writ-warm-${randomBytes(6).toString('hex')}`]
  const idle = await slot(slotName(), of('gone'))
  const used = await slot(inUse, of('gone'))
  const user = await container({ [SLOT_LABEL]: inUse })
  const living = await slot(slotName(), of('lives'))
  const waits = await container({ ...of('gone'), [WARM_LABEL]: `${gate}-1` }, true, `${gate}-1`)
  const begun = await container({ ...of('gone'), [WARM_LABEL]: `${gate}-2` }, false, `${gate}-2`)
  const next = await container({ ...of('lives'), [WARM_LABEL]: `${gate}-3` }, false, `${gate}-3`)
  const ids = [idle, used, user, living, waits, begun, next]
  const there = () => Promise.all(ids.map(id => exists(`/containers/${id}/json`)))
  const clear = () => clearAfter(docker.engine, NONE, { owner, node: 'writ.test-node' }, new Set(['gone']))
  await clear()
  expect(await there()).toEqual([false, true, true, true, true, false, true])
  await docker.engine.json('DELETE', `/containers/${user}`, { query: { force: 1 } })
  await docker.engine.json('POST', `/containers/${waits}/kill`)
  await docker.engine.json('POST', `/containers/${waits}/wait`)
  await clear()
  expect(await there()).toEqual([false, false, false, true, false, false, true])
})

test('a container has the labels of its image, whoever made that: one of a job is not taken for a slot or a gate of ours', async () => {
  const name = `writ-${randomBytes(12).toString('hex')}`
  const jobs = [
    await container({ ...mine, [PAUSE_LABEL]: slotName() }, true, name),
    await container({ ...mine, [PAUSE_LABEL]: '' }),
    await container({ ...mine, [WARM_LABEL]: slotName() }, false),
  ]
  await tidy(docker.engine, NONE, options)
  expect(await Promise.all(jobs.map(id => exists(`/containers/${id}/json`)))).toEqual([true, true, true])
})

test('a container that says that it is in a slot by some name has nothing else of that name removed', async () => {
  const name = `writ-test-${randomBytes(6).toString('hex')}`
  const victim = await container({}, true, name)
  const slots = new Slots(docker.engine, () => null, { count: 1, network: 'none', labels: {} })
  slots.discard(name)
  await slots.close()
  await sleep(500)
  expect(await exists(`/containers/${victim}/json`)).toBe(true)
})

async function fresh(): Promise<{ ref: string; prepared: string }> {
  const entries = [...busyboxEntries(), { name: 'unique', data: randomBytes(8).toString('hex') }]
  const ref = await importImage('writ-test/tidy', await tarOf(entries))
  await docker.remember(ref)
  return { ref, prepared: (await docker.runtime.image(ref, 'IfNotPresent', {})).id }
}

/** An engine that has no other prepared images than these: those of others are not to be removed here. */
const only = (...prepared: string[]) =>
  new Proxy(docker.engine, {
    get: (engine, key) => {
      if (key !== 'json') return Reflect.get(engine, key, engine)
      return async (method: 'GET', path: string, rest: object) => {
        const answer = await engine.json<unknown>(method, path, rest)
        if (path !== '/images/json') return answer
        return (answer as { RepoTags: string[] | null }[]).filter(each =>
          each.RepoTags?.some(tag => prepared.includes(tag)),
        )
      }
    },
  })

test('prepared images that nobody used for long are removed; images as they came never are', async () => {
  const [idle, busy] = [await fresh(), await fresh()]
  const image = await docker.runtime.image(busy.ref, 'IfNotPresent', {})
  const { name } = await docker.create(['true'], { image })
  const later = only(idle.prepared, busy.prepared)
  await tidy(later, NONE, { ...options, preparedMs: HOUR })
  expect([await exists(`/images/${idle.prepared}/json`), await exists(`/images/${busy.prepared}/json`)]).toEqual([
    true,
    true,
  ])
  await tidy(later, NONE, { ...options, preparedMs: -1_000 })
  expect(
    await Promise.all([idle.prepared, busy.prepared, idle.ref, busy.ref].map(id => exists(`/images/${id}/json`))),
  ).toEqual([false, true, true, true])
  await docker.runtime.remove(name)
  await tidy(later, NONE, { ...options, preparedMs: -1_000 })
  expect([await exists(`/images/${busy.prepared}/json`), await exists(`/images/${busy.ref}/json`)]).toEqual([
    false,
    true,
  ])
  // and what is needed again is prepared again
  expect((await docker.runtime.image(idle.ref, 'IfNotPresent', {})).id).toBe(idle.prepared)
})

describe('an image that we have pulled', () => {
  const registry = new TinyRegistry()
  const mine = ['writ.test-tidy', randomBytes(6).toString('hex')] as const
  const runtime = dockerRuntime({ tidy: { ...options, owner: mine } })
  beforeAll(() => registry.listen())
  afterAll(async () => {
    await runtime.close()
    await registry.close()
  })

  async function pulled(): Promise<{ ref: string; prepared: string }> {
    const tag = `t${randomBytes(4).toString('hex')}`
    registry.offer(tag, await tarOf([...busyboxEntries(), { name: 'unique', data: tag }]))
    const ref = `${registry.host}/team/pulled:${tag}`
    const prepared = (await runtime.image(ref, 'IfNotPresent', {})).id
    await docker.remember(ref)
    return { ref, prepared }
  }

  test.each<[string, object, boolean]>([
    ['goes with what was prepared of it, when that is wanted', { pulled: true }, false],
    ['stays otherwise', {}, true],
    ['stays for another installation', { pulled: true, owner: ['writ.test-tidy', 'another'] }, true],
  ])('%s', async (_, wanted, stays) => {
    const { ref, prepared } = await pulled()
    const old = { ...options, owner: mine, preparedMs: -1_000, ...wanted }
    await tidy(only(prepared), NONE, old)
    expect([await exists(`/images/${prepared}/json`), await exists(`/images/${ref}/json`)]).toEqual([false, stays])
  })

  test('stays while it has another name, and when it was here before', async () => {
    const { ref, prepared } = await pulled()
    const query = { repo: 'writ-test/named', tag: randomBytes(4).toString('hex') }
    await docker.engine.json('POST', `/images/${ref}/tag`, { query })
    await docker.remember(`${query.repo}:${query.tag}`)
    const old = { ...options, owner: mine, preparedMs: -1_000, pulled: true }
    await tidy(only(prepared), NONE, old)
    expect(await exists(`/images/${ref}/json`)).toBe(true)
    await docker.engine.json('DELETE', `/images/${query.repo}:${query.tag}`)
    // prepared anew, of what was here
    expect((await runtime.image(ref, 'IfNotPresent', {})).id).toBe(prepared)
    await tidy(only(prepared), NONE, old)
    expect([await exists(`/images/${prepared}/json`), await exists(`/images/${ref}/json`)]).toEqual([false, true])
  })
})

test('labels of ours in an image of somebody else have nothing removed: neither it nor what it names', async () => {
  const victim = await fresh()
  const { Id: id } = await docker.engine.json<{ Id: string }>('GET', `/images/${victim.ref}/json`)
  const labels = ['LABEL writ.prepared=3', `LABEL writ.pulled=${owner[1]}`]
  const content = randomBytes(8).toString('hex')
  const named = async (base: string) => {
    const entries = [...busyboxEntries(), { name: 'unique', data: content }]
    const ref = await importImage('writ-test/forged', await tarOf(entries), [...labels, `LABEL writ.base=${base}`])
    await docker.remember(ref)
    return ref
  }
  const left = await container({})
  const asked: string[] = []
  for (const base of [id, `x/../../containers/${left}?force=1&x=`]) {
    const forged = await named(base)
    const engine = only(forged)
    const seen = new Proxy(engine, {
      get: (target, key) => {
        if (key !== 'json') return Reflect.get(target, key, docker.engine)
        return async (method: 'GET', path: string, rest: object) => {
          if ((method as string) === 'DELETE') asked.push(path)
          return await target.json(method, path, rest)
        }
      },
    })
    await tidy(seen, NONE, { ...options, preparedMs: -1_000, pulled: true })
    expect(await exists(`/images/${forged}/json`)).toBe(true)
  }
  // what is prepared of an image that says it was pulled is ours; the image was here, and stays
  const forged = await named(id)
  const prepared = (await docker.runtime.image(forged, 'IfNotPresent', {})).id
  await tidy(only(prepared), NONE, { ...options, preparedMs: -1_000, pulled: true })
  expect([await exists(`/images/${prepared}/json`), await exists(`/images/${forged}/json`)]).toEqual([false, true])
  expect(asked).toEqual([])
  expect(await exists(`/images/${victim.ref}/json`)).toBe(true)
  expect(await exists(`/containers/${left}/json`)).toBe(true)
})

test('a runtime that was not told what is its own tidies nothing', async () => {
  const left = await container({ [PAUSE_LABEL]: 'left' })
  const runtime = dockerRuntime()
  await runtime.tidy()
  await runtime.close()
  expect(await exists(`/containers/${left}/json`)).toBe(true)
})
