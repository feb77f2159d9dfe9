import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { selfSigned } from '../../test/certificate.ts'
import { FakeServer, json } from '../../test/fake-server.ts'
import { PlainContainers } from '../../test/plain-containers.ts'
import { Secret } from '../vault/secret.ts'
import type { Caller, Scheduler } from './gate/schedulers/scheduler.ts'
import { readGateConfig } from './gate-config.ts'
import { createSchedulers } from './gate-schedulers.ts'

const containers = new PlainContainers()
const folder = mkdtempSync(join(tmpdir(), 'writ-schedulers-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function created(env: Record<string, string>, name: string): Promise<Scheduler> {
  const made = await createSchedulers(readGateConfig(env, new Map()), null)
  return made.get(name) ?? expect.fail(name)
}
const lookup = async (scheduler: Scheduler, id: string, caller: Caller = { address: '10.0.0.1' }) =>
  await scheduler.lookup(scheduler.parseTaskId(id), caller, AbortSignal.timeout(20_000))

test('Kubernetes from outside: its authorities and our token for it are in files', async () => {
  const certificate = selfSigned()
  const api = await FakeServer.listen(response => json(response, 201, {}), certificate)
  const [ca, token] = [join(folder, 'ca.crt'), join(folder, 'token')]
  writeFileSync(ca, certificate.cert)
  writeFileSync(token, 'our-own\n')
  const kubernetes = await created(
    {
      SCHEDULERS: 'kubernetes',
      WRIT_KUBERNETES_SERVER: api.address,
      WRIT_KUBERNETES_CACERT: ca,
      WRIT_KUBERNETES_TOKEN_FILE: token,
    },
    'kubernetes',
  )
  const asked = lookup(kubernetes, 'shop/web-0', { address: '', proof: new Secret('a.b.c') })
  await expect(asked).rejects.toMatchObject({ code: 'scheduler_lied' })
  expect(api.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer our-own'])
  await kubernetes.close()
  await api.close()
})

test('a container of another scheduler that is served as well is no task of Docker', async () => {
  const labels = { 'com.amazonaws.ecs.task-arn': 'arn:aws:ecs:eu-west-1:1:task/c/0123' }
  const { id } = await containers.start(['sleep', '60'], { labels })
  const both = { SCHEDULERS: 'docker,ecs', WRIT_ECS_CLUSTERS: 'main', AWS_REGION: 'eu-west-1' }
  const docker = await created(both, 'docker')
  await expect(lookup(docker, id)).rejects.toMatchObject({ code: 'task_not_found' })
  await docker.close()
})
