import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { busyboxEntries, importImage, tarOf } from '../../../../test/busybox-image.ts'
import { DockerFixture, finished, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import type { ContainerSpec } from '../runtime.ts'
import { PAUSE_LABEL, SLOT_LABEL } from './slots.ts'

const owner = randomBytes(6).toString('hex')
let usable = true
const docker = new DockerFixture({
  slots: { count: 2, network: 'none', labels: { 'writ.test-slots': owner }, usable: () => usable },
  tidy: { owner: ['writ.test-slots', owner], preparedMs: 3_600_000, orphanMs: 0 },
})
const LIMITS = { memoryBytes: 64 << 20, pids: 50, network: 'none' }

interface Container {
  readonly Id: string
  readonly State: string
  readonly Labels: Record<string, string>
}

async function pauses(): Promise<Container[]> {
  const filters = JSON.stringify({ label: [PAUSE_LABEL, `writ.test-slots=${owner}`] })
  return await docker.engine.json<Container[]>('GET', '/containers/json', { query: { all: 1, filters } })
}

async function job(script: string, tenant: string, more: Partial<ContainerSpec> = {}) {
  const run = await docker.start(['sh', '-c', script], NO_SECRETS, { tenant, limits: LIMITS, ...more })
  const slot = (await docker.runtime.find(run.name))?.labels[SLOT_LABEL] ?? null
  const ended = finished(run.attachment)
  ended.catch(() => {})
  return {
    name: run.name,
    slot,
    async end() {
      const { stdout, stderr, exit } = await ended
      await docker.runtime.remove(run.name)
      return { stdout: stdout.toString(), stderr: stderr.toString(), code: exit.code }
    },
  }
}

/** Runs jobs of that tenant until one of them is in a slot. */
async function inSlot(script: string, tenant: string, more: Partial<ContainerSpec> = {}) {
  for (let tries = 0; tries < 50; tries++) {
    const found = await job(script, tenant, more)
    if (found.slot) return found
    await found.end()
    await sleep(100)
  }
  throw new Error('no slot')
}

const NET = 'readlink /proc/self/ns/net'

test('jobs of one submitter follow each other in one network, and those of another get another', async () => {
  const first = await inSlot(NET, 'alice')
  const { stdout: network } = await first.end()
  const second = await inSlot(NET, 'alice')
  expect([second.slot, (await second.end()).stdout]).toEqual([first.slot, network])
  const other = await inSlot(NET, 'bob')
  expect(other.slot).not.toBe(first.slot)
  expect((await other.end()).stdout).not.toBe(network)
})

test('two at once are never in the same', async () => {
  const running = [await inSlot('sleep 2', 'alice'), await job(`sleep 1; ${NET}`, 'alice'), await job(NET, 'alice')]
  const slots = running.map(({ slot }) => slot).filter(slot => slot !== null)
  expect(new Set(slots).size).toBe(slots.length)
  await Promise.all(running.map(each => each.end()))
})

test('the networks are never more than they may be', async () => {
  for (const tenant of ['a', 'b', 'c', 'd', 'e']) await (await job('true', tenant)).end()
  await (await inSlot('true', 'e')).end()
  expect((await pauses()).length).toBeLessThanOrEqual(2)
})

test('a process that others may take for gone gives none to a job: they would clear it away under it', async () => {
  usable = false
  for (let tries = 0; tries < 3; tries++) {
    const found = await job('true', 'alice')
    expect(found.slot).toBeNull()
    await found.end()
  }
  usable = true
  await (await inSlot('true', 'alice')).end()
})

test('another network than that of the slots is a new one', async () => {
  const bridged = await job('ls /sys/class/net', 'alice', { limits: { ...LIMITS, network: 'bridge' } })
  expect(bridged.slot).toBeNull()
  expect((await bridged.end()).stdout).toContain('eth0')
})

test('an image that exposes ports can join', async () => {
  const entries = [...busyboxEntries(), { name: 'unique', data: randomBytes(8).toString('hex') }]
  const ref = await importImage('writ-test/exposing', await tarOf(entries), ['EXPOSE 80'])
  await docker.remember(ref)
  const image = await docker.runtime.image(ref, 'IfNotPresent', {})
  expect(await (await inSlot('echo joined', 'alice', { image })).end()).toMatchObject({ stdout: 'joined\n', code: 0 })
})

describe('what a job leaves behind', () => {
  test('nothing that it could set: addresses, routes, filters, settings', async () => {
    const tries = [
      'ip addr add 10.9.9.9/32 dev lo',
      'ip link set lo down',
      'ip route add 10.9.0.0/16 dev lo',
      'ip link add dummy0 type dummy',
      'ip neigh add 10.9.9.9 lladdr 00:11:22:33:44:55 dev lo',
      'echo 1 >/proc/sys/net/ipv4/ip_forward',
      'sysctl -w net.ipv4.ip_default_ttl=7',
      'hostname other',
      'echo 10.9.9.9 evil >>/etc/hosts',
      'echo nameserver 10.9.9.9 >/etc/resolv.conf',
    ]
    const seen = 'ip addr; ip route; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ip_default_ttl /etc/hosts'
    const before = await (await inSlot(seen, 'alice')).end()
    const attack = await inSlot(tries.map(each => `${each} 2>/dev/null && echo did: '${each}'`).join('; '), 'alice')
    expect((await attack.end()).stdout).toBe('')
    const after = await inSlot(seen, 'alice')
    expect(after.slot).toBe(attack.slot)
    expect(await after.end()).toEqual(before)
  })

  test('no process that listens, also if it hid in the background', async () => {
    const hiding = await inSlot('(setsid nc -l -p 4000 -e true >/dev/null 2>&1 &); sleep 0.3; netstat -ltn', 'alice')
    expect((await hiding.end()).stdout).toContain(':4000')
    const after = await inSlot('netstat -ltn; nc -w 1 127.0.0.1 4000 || echo refused', 'alice')
    expect(after.slot).toBe(hiding.slot)
    const { stdout } = await after.end()
    expect(stdout).not.toContain(':4000 ')
    expect(stdout).toContain('refused')
  })

  test('connections that are closing are seen by nobody but the same submitter', async () => {
    const script =
      'until grep " 06 " /proc/net/tcp; do (nc -l -p 4001 >/dev/null &); sleep 0.1; echo x | nc -w 1 127.0.0.1 4001; done'
    const traffic = await inSlot(script, 'carol')
    await traffic.end()
    const closing = 'grep -c " 06 " /proc/net/tcp'
    const same = await inSlot(closing, 'carol')
    expect(same.slot).toBe(traffic.slot)
    // this is why a slot does not change hands
    expect(Number((await same.end()).stdout)).toBeGreaterThan(0)
    const other = await inSlot(closing, 'dave')
    expect((await other.end()).stdout).toBe('0\n')
  })
})

describe('a slot that broke', () => {
  const owned = async (slot: string | null) => (await pauses()).find(({ Labels }) => Labels[PAUSE_LABEL] === slot)

  test.each([
    ['stopped', 'POST', '/stop?t=1'],
    ['removed', 'DELETE', '?force=1'],
  ] as const)(
    'because its container was %s: the job is not started, may be tried again, and then runs',
    async (_, method, how) => {
      const before = await inSlot('true', 'erin')
      await before.end()
      const { id, name } = await docker.create(['echo', 'ran'], { tenant: 'erin', limits: LIMITS })
      const pause = await owned(before.slot)
      await docker.engine.json(method, `/containers/${pause?.Id}${how}`)
      await expect(docker.runtime.start(id, NO_SECRETS)).rejects.toMatchObject({ code: 'runtime_unavailable' })
      expect((await docker.runtime.find(name))?.phase).toBe('created')
      expect(await docker.runtime.removeUnstarted(name)).toBe(true)
      const again = await inSlot('echo ran', 'erin')
      expect(again.slot).not.toBe(before.slot)
      expect((await again.end()).stdout).toBe('ran\n')
    },
  )

  test('before the container of a job was made: the same', async () => {
    const before = await inSlot('true', 'frank')
    await before.end()
    await docker.engine.json('DELETE', `/containers/${(await owned(before.slot))?.Id}`, { query: { force: 1 } })
    const spec = docker.spec(['true'], { tenant: 'frank', limits: LIMITS })
    const started = docker.runtime.create(spec).then(id => docker.runtime.start(id ?? '', NO_SECRETS))
    await expect(started).rejects.toMatchObject({ code: 'runtime_unavailable' })
    expect(await docker.runtime.removeUnstarted(spec.name)).toBe(true)
    await (await inSlot('true', 'frank')).end()
  })
})

test('a container that another node removed holds no slot', async () => {
  await (await inSlot('true', 'grace')).end()
  const held = await job('sleep 30', 'grace')
  await docker.engine.json('DELETE', `/containers/${held.name}`, { query: { force: 1 } })
  await docker.runtime.tidy()
  const next = await inSlot('true', 'grace')
  expect(next.slot).toBe(held.slot)
  await next.end()
})

afterAll(async () => {
  await docker.runtime.close()
  expect(await pauses()).toEqual([])
})
