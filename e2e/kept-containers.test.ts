import { afterAll, beforeAll, expect, test } from 'vitest'
import { Engine } from '../src/server/runtimes/docker/engine.ts'
import { ENGINE_SOCKET } from '../test/engine-socket.ts'
import { countEvents } from './engine.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

/*
 * What a node keeps on the engine before there is a job for it, containers that wait and networks, and a node that is killed: what it
 * kept holds no job up and gives nobody's to another, and its successor has its own.
 */

let stack: Stack
let server: ServerProcess
let owner: string
const engine = new Engine(`unix://${ENGINE_SOCKET}`)

interface Listed {
  readonly Id: string
  readonly Names: readonly string[]
  readonly State: string
  readonly Labels: Readonly<Record<string, string>>
}

/** Containers of this installation with that label, which is its value for what made it. */
async function kept(label: string): Promise<Listed[]> {
  const filters = JSON.stringify({ label: [label, owner] })
  return await engine.json<Listed[]>('GET', '/containers/json', { query: { all: 1, filters } })
}

const waiting = async () =>
  (await kept('writ.warm')).filter(({ Names, Labels }) => Names[0] === `/${Labels['writ.warm']}`)
const running = (list: readonly Listed[]) => list.filter(({ State }) => State === 'running').map(({ Id }) => Id)

beforeAll(async () => {
  stack = await startStack()
  const start = () => stack.startServer({ WRIT_WARM: `${stack.image}=1`, WRIT_NETWORK_SLOTS: '1' })
  server = await start()
  const { id } = await stack.db.selectFrom('installation').select('id').executeTakeFirstOrThrow()
  owner = `writ.installation=${id}`
})
afterAll(async () => {
  await stack.close()
  for (const { Id } of [...(await kept('writ.pause')), ...(await kept('writ.warm'))])
    await engine.json('DELETE', `/containers/${Id}`, { query: { force: 1, v: 1 } }).catch(() => {})
  await engine.close()
})

/** Another limit than the default, so it does not fit the container that waits. */
const OTHER = { limits: { pids: 77 } }
const SCRIPT = 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo $i; sleep 0.1; done'
const LINES = Array.from({ length: 30 }, (_, i) => `${i + 1}\n`).join('')

const submit = async (more: object = {}, script = 'true') =>
  (await stack.client(server.address).submit(shell(stack, script, { qname: crypto.randomUUID(), ...more })))._id

/** A job that does not fit what waits, in a slot: the first one only has it made. */
async function inSlot(): Promise<string> {
  for (;;) {
    const id = await submit(OTHER, SCRIPT)
    await until(async () => (await stack.runtime.find(`writ-${id}`))?.phase === 'running')
    if ((await stack.runtime.find(`writ-${id}`))?.labels['writ.slot']) return id
    await stack.client(server.address).kill(id)
    await untilEnded(stack, stack.client(server.address), id)
  }
}

async function inGate(): Promise<string> {
  await until(async () => running(await waiting()).length === 1)
  const id = await submit({}, SCRIPT)
  await until(async () => (await stack.client(server.address).get(id)).output_bytes > 0)
  expect((await stack.runtime.find(`writ-${id}`))?.labels['writ.warm']).toBeTruthy()
  return id
}

test('kill -9: jobs in both run on to their end, nothing that waited is left, and the next node has its own', async () => {
  const ids = [await inSlot(), await inGate()]
  await until(async () => running(await waiting()).length === 1)
  const before = { waiting: running(await waiting()), slots: running(await kept('writ.pause')) }
  await server.stop('SIGKILL')
  server = await stack.startServer({ WRIT_WARM: `${stack.image}=1`, WRIT_NETWORK_SLOTS: '1' })
  const client = stack.client(server.address)
  for (const id of ids) {
    expect(await untilEnded(stack, client, id)).toMatchObject({ stdout: LINES, job: { status: 'success' } })
    expect(await countEvents(id, 'start')).toBeLessThanOrEqual(1)
    await until(async () => (await stack.runtime.find(`writ-${id}`)) === null)
  }
  // what waited ran nothing, and is gone: not only ended
  const left = async () => (await waiting()).some(({ Id }) => before.waiting.includes(Id))
  await until(async () => !(await left()), 10_000)
  // nor is a network, in which no job is any more: the dead one counts as gone when its lease has run out
  const old = async () => (await kept('writ.pause')).filter(({ Id }) => before.slots.includes(Id))
  await until(async () => (await old()).length === 0, 15_000)

  const again = [await inSlot(), await inGate()]
  const users = await kept(`writ.slot`)
  expect(users.map(({ Labels }) => Labels['writ.slot'])).not.toContain(undefined)
  const slots = running(await kept('writ.pause'))
  expect(slots.length).toBe(1)
  for (const id of again) expect((await untilEnded(stack, client, id)).job.status).toBe('success')
  const names = (await kept('writ.job')).flatMap(({ Names }) => Names)
  expect(names.filter(name => [...ids, ...again].some(id => name.includes(id)))).toEqual([])
}, 60_000)
