import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS, withoutGaps } from '../../../../test/docker-fixture.ts'
import { EngineProxy } from '../../../../test/engine-proxy.ts'
import type { Runtime } from '../runtime.ts'
import { dockerRuntime } from './docker-runtime.ts'

const docker = new DockerFixture()
let proxy: EngineProxy
let runtime: Runtime

beforeEach(async () => {
  proxy = await new EngineProxy().open()
  runtime = dockerRuntime({ host: proxy.host, patienceMs: 1_000 })
})

afterEach(async () => {
  await runtime.close()
  await proxy.close()
})

const COUNT =
  'i=0; while [ $i -lt 40 ]; do echo "line $i: grüße"; echo "err $i" >&2; i=$((i+1)); sleep 0.05; done; printf end; exit 9'
const LINES = Array.from({ length: 40 }, (_, i) => `line ${i}: grüße\n`).join('')
const ERRORS = Array.from({ length: 40 }, (_, i) => `err ${i}\n`).join('')

test('connections that break again and again cost no byte and no exit code', async () => {
  const { id } = await docker.create(['sh', '-c', COUNT])
  const attachment = await runtime.start(id, NO_SECRETS)
  const cutting = setInterval(() => proxy.cut(), 270)
  const { stdout, stderr, exit, gaps } = await finished(attachment).finally(() => clearInterval(cutting))
  expect(stdout.toString()).toBe(`${LINES}end`)
  expect(stderr.toString()).toBe(ERRORS)
  expect(exit).toEqual({ code: 9, outOfMemory: false })
  // the engine itself was there: nothing can be missing
  expect(gaps).toBe(0)
})

test('the output that a job made while the engine was away arrives later, live', async () => {
  const { id } = await docker.create(['sh', '-c', 'echo one; sleep 1; echo two; sleep 2; echo three'])
  const { output } = await runtime.start(id, NO_SECRETS)
  const frames = withoutGaps(output)
  const next = async () => Buffer.from((await frames.next()).value?.data ?? '').toString()
  expect(await next()).toBe('one\n')
  await proxy.close()
  await sleep(500)
  await proxy.open()
  const start = Date.now()
  expect(await next()).toBe('two\n')
  expect(Date.now() - start).toBeLessThan(1_800)
  expect(await next()).toBe('three\n')
})

test('a job that ended while the engine was away', async () => {
  const { id } = await docker.create(['sh', '-c', 'echo one; sleep 0.4; printf two; exit 5'])
  const { output, exit } = await runtime.start(id, NO_SECRETS)
  const frames = withoutGaps(output)
  let stdout = ''
  for (let next = await frames.next(); !next.done; next = await frames.next()) {
    stdout += Buffer.from(next.value.data)
    if (stdout !== 'one\n') continue
    await proxy.close()
    await sleep(700)
    await proxy.open()
  }
  expect([stdout, (await exit).code]).toEqual(['one\ntwo', 5])
})

test('an engine that was restarted meanwhile may have lost some of the output: it is said once where', async () => {
  const { id, name } = await docker.create(['sh', '-c', COUNT])
  const attachment = await runtime.start(id, NO_SECRETS)
  proxy.forgetEvents()
  setTimeout(() => proxy.cut(), 600)
  const { stdout, stderr, exit, gaps } = await finished(attachment)
  expect([stdout.toString(), stderr.toString()]).toEqual([`${LINES}end`, ERRORS])
  expect([exit, gaps]).toEqual([{ code: 9, outOfMemory: false }, 1])
  // whoever takes the job up cannot know better
  expect((await finished(await runtime.attach(name, { stdout: 0, stderr: 0 }))).gaps).toBe(1)
})

test('the code that an engine says of an end that it did not see is not believed', async () => {
  const ending = async () => {
    const { id, name } = await docker.create(['sh', '-c', 'sleep 0.5; exit 255'])
    const { exit, output } = await runtime.start(id, NO_SECRETS)
    setTimeout(() => proxy.cut(), 100)
    await finished({ exit, output })
    return [await exit, (await finished(await runtime.attach(name, { stdout: 0, stderr: 0 }))).exit]
  }
  const said = { code: 255, outOfMemory: false }
  expect(await ending()).toEqual([said, said])
  proxy.forgetEvents()
  expect(await ending()).toEqual([
    { ...said, uncertain: true },
    { ...said, uncertain: true },
  ])
})

test('an engine that is gone for good', async () => {
  const { id } = await docker.create(['sh', '-c', 'echo up; sleep 60'])
  const { output, exit } = await runtime.start(id, NO_SECRETS)
  const frames = withoutGaps(output)
  await frames.next()
  await proxy.close()
  await expect(exit).rejects.toMatchObject({ code: 'runtime_unavailable' })
  await expect(frames.next()).rejects.toMatchObject({ code: 'runtime_unavailable' })
  const gone = { code: 'runtime_unavailable' }
  await expect(runtime.info()).rejects.toMatchObject(gone)
  await expect(runtime.find('x')).rejects.toMatchObject(gone)
  await expect(runtime.list('a', 'b')).rejects.toMatchObject(gone)
  await expect(runtime.remove('x')).rejects.toMatchObject(gone)
  await expect(runtime.stop('x', 1)).rejects.toMatchObject(gone)
  await expect(runtime.create(docker.spec(['true']))).rejects.toMatchObject(gone)
  await expect(runtime.image('x', 'IfNotPresent', {})).rejects.toMatchObject(gone)
})

test('an engine that hangs', async () => {
  const { name } = await docker.create(['true'])
  expect((await runtime.find(name))?.phase).toBe('created')
  proxy.freeze()
  await expect(runtime.find(name)).rejects.toMatchObject({ code: 'runtime_unavailable', detail: 'no answer in time' })
})

test('a caller that gives up gets his own reason', async () => {
  proxy.freeze()
  const giveUp = new AbortController()
  setTimeout(() => giveUp.abort(new Error('enough')), 50)
  await expect(runtime.find('x', giveUp.signal)).rejects.toThrow('enough')
  await expect(runtime.find('x', giveUp.signal)).rejects.toThrow('enough')
})
