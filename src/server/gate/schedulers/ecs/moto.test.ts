import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateClusterCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FakeServer, json } from '../../../../../test/fake-server.ts'
import { ecsScheduler } from './ecs-scheduler.ts'

/** Amazon's own answers, by somebody else's hand: `pip install moto[server]`, or the address of one that runs. */
function startsMoto(): boolean {
  if (process.env.MOTO_SERVER) return true
  try {
    execFileSync('moto_server', ['--help'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const there = startsMoto()
if (!there) console.warn('neither MOTO_SERVER nor a moto_server in PATH: ECS is tested against our own fake only')

describe.skipIf(!there)('the ECS of moto', () => {
  let moto: ChildProcess | undefined
  let endpoint = process.env.MOTO_SERVER ?? ''
  let aws: ECSClient
  beforeAll(async () => {
    process.env.AWS_ACCESS_KEY_ID = 'test'
    process.env.AWS_SECRET_ACCESS_KEY = 'test'
    if (!endpoint) {
      const port = await freePort()
      endpoint = `http://127.0.0.1:${port}`
      moto = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
      await answering(endpoint)
    }
    // by itself a task of moto goes on to its end with every look at it
    const transition = { progression: 'manual', times: 1_000 }
    const body = JSON.stringify({ model_name: 'ecs::task', transition })
    await fetch(`${endpoint}/moto-api/state-manager/set-transition`, { method: 'POST', body })
    aws = new ECSClient({ endpoint, region: 'eu-west-1' })
  }, 90_000)
  afterAll(async () => {
    aws.destroy()
    if (moto?.kill()) await once(moto, 'exit')
  })

  const code = (name: string) => expect.objectContaining({ code: name })

  test('a task is vouched for while it runs, and not after', { timeout: 90_000 }, async () => {
    const family = `web-${process.pid}`
    await aws.send(new CreateClusterCommand({ clusterName: 'main' }))
    const container = { name: 'app', image: 'registry/web:1', memory: 64 }
    await aws.send(new RegisterTaskDefinitionCommand({ family, containerDefinitions: [container] }))
    const { tasks = [] } = await aws.send(
      new RunTaskCommand({
        cluster: 'main',
        taskDefinition: family,
        launchType: 'FARGATE',
        networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
      }),
    )
    const arn = tasks[0]?.taskArn as string
    const id = arn.split('/').at(-1) as string
    // moto never says when a task has started: a refusal, where vault-gatekeeper panicked
    await expect(lookup(endpoint, id)).rejects.toEqual(code('task_not_started'))
    const dated = await startsNow(endpoint)
    for (const asked of [arn, id]) {
      expect(await lookup(dated.address, asked)).toMatchObject({ id: arn, name: family, state: 'running' })
    }
    await expect(lookup(dated.address, 'f'.repeat(32))).rejects.toEqual(code('task_not_found'))
    await expect(lookup(dated.address, id, 'gone')).rejects.toEqual(code('scheduler_unavailable'))
    await aws.send(new StopTaskCommand({ cluster: 'main', task: arn }))
    await expect(lookup(dated.address, arn)).rejects.toEqual(code('task_ended'))
    await dated.close()
  })
})

async function lookup(endpoint: string, id: string, cluster = 'main') {
  const scheduler = ecsScheduler({ clusters: [cluster], region: 'eu-west-1', endpoint })
  try {
    return await scheduler.lookup(scheduler.parseTaskId(id), { address: '' }, AbortSignal.timeout(20_000))
  } finally {
    await scheduler.close()
  }
}

/** In front of moto: puts the time of their start into its tasks, and leaves the rest as it is. */
async function startsNow(endpoint: string): Promise<FakeServer> {
  return await FakeServer.listen(async (response, { headers, body }) => {
    const passed = { 'x-amz-target': String(headers['x-amz-target']), authorization: String(headers.authorization) }
    const answer = await fetch(endpoint, {
      method: 'POST',
      headers: { ...passed, 'content-type': 'application/x-amz-json-1.1' },
      body,
    })
    const text = await answer.text()
    const startedAt = Date.now() / 1_000
    const told = JSON.parse(text) as { tasks?: object[] }
    json(
      response,
      answer.status,
      told.tasks ? { ...told, tasks: told.tasks.map(task => ({ ...task, startedAt })) } : told,
    )
  })
}

async function answering(url: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const up = await fetch(`${url}/moto-api/`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
    if (up?.ok) return
    await sleep(200)
  }
  throw new Error('moto_server did not start')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
