import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DockerFixture } from '../../../test/docker-fixture.ts'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { newJobId } from '../../protocol/job-id.ts'
import type { KubernetesRuntime } from '../runtimes/kubernetes/kubernetes-runtime.ts'
import { containerName, INSTALLATION_LABEL, ownLabels } from './container.ts'
import { reapContainers } from './reap.ts'

const docker = new DockerFixture()
const installation = randomBytes(6).toString('hex')
let t: TestEngine

beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

async function container(id: string, whose: string, name = containerName(id)): Promise<string> {
  const labels = { 'writ.test': docker.label, ...ownLabels('n', whose) }
  const spec = docker.spec(['sleep', '60'], { name, labels })
  if ((await docker.runtime.create(spec)) === null) throw new Error('taken')
  return name
}

test('containers that no job needs are removed, and none that one needs, or that is of somebody else', async () => {
  const engine = { ...t.node('n', docker.runtime), installation }
  const [waiting, released] = [await t.queue(), await t.queue()]
  await t.engine.db
    .updateTable('jobs')
    .set({ status: 'failed', released_at: new Date() })
    .where('id', '=', released)
    .execute()
  const unknown = () => newJobId(new Date())
  const names = {
    unknown: await container(unknown(), installation),
    released: await container(released, installation),
    waiting: await container(waiting, installation),
    anothers: await container(unknown(), 'another installation'),
    foreign: await container(unknown(), '', `writ-test-${randomBytes(6).toString('hex')}`),
    ours: await container(unknown(), installation, `writ-other-${randomBytes(6).toString('hex')}`),
  }
  await reapContainers(engine)
  const there = await Promise.all(
    Object.entries(names).map(async ([what, name]) => [what, (await docker.runtime.find(name)) !== null]),
  )
  expect(Object.fromEntries(there)).toEqual({
    unknown: false,
    released: false,
    waiting: true,
    anothers: true,
    foreign: true,
    ours: true,
  })
  const rows = await t.engine.db.selectFrom('audit').select('entry').where('job_id', '=', released).execute()
  expect(rows.map(({ entry }) => entry).join()).toMatch(/"leftover": ?true/)
})

test('the same for Jobs of Kubernetes', async () => {
  const [removed, waiting, unknown] = [[] as string[], await t.queue(), newJobId(new Date())]
  const state = (id: string) => ({ name: containerName(id), id, labels: {}, phase: 'exited', exit: null }) as const
  const there = [waiting, unknown].map(state)
  const runtime = {
    list: async (label: string, value: string) => (label === INSTALLATION_LABEL && value === installation ? there : []),
    find: async (name: string) => there.find(each => each.name === name) ?? null,
    remove: async (name: string) => void removed.push(name),
  } as Partial<KubernetesRuntime> as KubernetesRuntime
  const none = { list: async () => [], tidy: async () => {} }
  await reapContainers({ ...t.node('n', none), installation, kubernetes: new Map([['ci', runtime]]) })
  expect(removed).toEqual([containerName(unknown)])
})
