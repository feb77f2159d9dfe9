import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureBusyboxImage } from '../../../../test/busybox-image.ts'
import { type Podman, startPodman } from '../../../../test/podman.ts'
import type { Runtime } from '../runtime.ts'
import { dockerRuntime } from './docker-runtime.ts'
import { Engine } from './engine.ts'
import { requireLimits } from './limits-held.ts'

const WANTED = { Memory: 64, PidsLimit: 50, NanoCpus: 0 }
const docker = { isPodman: async () => false } as Engine

test('Docker says what it discards, and nothing else is taken for that', async () => {
  const warnings = (...Warnings: string[]) => requireLimits(docker, { Id: 'x', Warnings }, WANTED)
  const lost =
    'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.'
  await expect(warnings('x', lost)).rejects.toMatchObject({
    code: 'limits_not_held',
    message: expect.stringContaining(lost),
  })
  // most machines: what the limit is about is held
  await warnings('Your kernel does not support swap limit capabilities. Memory limited without swap.')
  await requireLimits(docker, { Id: 'x', Warnings: null }, WANTED)
})

test.each([
  [{ Memory: 64, PidsLimit: 50, NanoCpus: 0 }, ''],
  [{ Memory: 0, PidsLimit: 50, NanoCpus: 0 }, 'Memory'],
  [{ Memory: 64, PidsLimit: -1, NanoCpus: 0 }, 'PidsLimit'],
  [{}, 'Memory, PidsLimit'],
])('of what Podman has made, %j: lost %j', async (HostConfig, lost) => {
  const engine = { isPodman: async () => true, json: async () => ({ HostConfig }) } as unknown as Engine
  const asked = requireLimits(engine, { Id: 'x', Warnings: [] }, WANTED)
  if (lost) await expect(asked).rejects.toMatchObject({ message: expect.stringContaining(`${lost} of the container`) })
  else await asked
})

let podman: Podman
let runtime: Runtime
beforeAll(async () => {
  podman = await startPodman({ rootless: true })
  runtime = dockerRuntime({ host: `unix://${podman.socket}` })
})
afterAll(async () => {
  await runtime.close()
  await podman.close()
})

test('Podman without root, which ignores limits: the job is not run, and nothing of it stays', async () => {
  const engine = new Engine(`unix://${podman.socket}`)
  const { Id } = await engine.json<{ Id: string }>('GET', `/images/${await ensureBusyboxImage(podman.socket)}/json`)
  await engine.close()
  // as it is: nothing can be prepared for a job's user there, of whom this Podman does not know
  const image = { id: Id, digest: Id, entrypoint: [], command: [], metadata: null }
  const limits = { memoryBytes: 64 * 1024 * 1024, pids: 50, network: 'none' }
  const spec = { name: 'writ-test', labels: { of: 'test' }, image, argv: ['true'], env: [], tty: false, limits }
  await expect(runtime.create(spec)).rejects.toMatchObject({ code: 'limits_not_held' })
  expect(await runtime.list('of', 'test')).toEqual([])
})
