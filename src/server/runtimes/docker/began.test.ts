import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import { dockerRuntime } from './docker-runtime.ts'
import { attachToStart } from './start.ts'

const docker = new DockerFixture()
// as after the death of a node: nothing is known of what the other one made
const later = dockerRuntime()
afterAll(() => later.close())
const never = () => new AbortController().signal

/** Started, and its gate waits for the secrets on a connection that stays open. */
async function waiting(tty: boolean) {
  const { id, name } = await docker.create(['sh', '-c', 'echo the job ran'], { tty })
  const socket = await attachToStart(docker.engine, id, false)
  await docker.engine.json('POST', `/containers/${id}/start`)
  return { name, socket }
}

test.each([false, true])('not when whoever started it is gone; with a terminal: %s', async tty => {
  const { name, socket } = await waiting(tty)
  socket.destroy()
  expect(await later.began(name, never())).toBe(false)
  const { stdout } = await finished(await later.attach(name, { stdout: 0, stderr: 0 }))
  expect(stdout.toString()).not.toContain('the job ran')
})

test('not when whoever started it only stands still: its gate does not wait for it', async () => {
  const { name, socket } = await waiting(false)
  expect(await later.began(name, never())).toBe(false)
  socket.destroy()
})

test('not in a container that cannot write anywhere else', async () => {
  const { limits } = docker.spec([])
  const { id, name } = await docker.create(['true'], { limits: { ...limits, readOnly: true } })
  await docker.engine.json('POST', `/containers/${id}/start`)
  expect(await later.began(name, never())).toBe(false)
})

test.each([
  ['runs', 'sleep 60', true],
  ['has ended', 'true', true],
  ['ended as a gate that refuses does', 'exit 125', true],
  ['forged the note before it ended as anything else', 'echo waiting >/.writ/state/started; exit 1', null],
  ['wrote over the note', 'echo else >/.writ/state/started; exit 125', null],
  ['would put a pipe in its place', 'rm -f /.writ/state/started; mkfifo /.writ/state/started; exit 125', true],
])('when the job %s', async (what, script, known) => {
  const { name, attachment } = await docker.start(['sh', '-c', script], NO_SECRETS)
  if (what !== 'runs') await finished(attachment)
  else await sleep(500)
  expect(await later.began(name, never())).toBe(known)
  await later.remove(name)
})

test('a wait that is ended says nothing', async () => {
  const { name, socket } = await waiting(true)
  expect(await later.began(name, AbortSignal.timeout(300))).toBe(null)
  socket.destroy()
  await later.remove(name)
})

test('a container that is gone says nothing', async () => {
  expect(await later.began('writ-test-none', never())).toBe(null)
})
