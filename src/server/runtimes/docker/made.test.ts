import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { ContainerSpec } from '../runtime.ts'
import { MadeContainers } from './made.ts'

const spec = (name: string) => ({ name, image: { shell: '/bin/sh' }, tty: true }) as ContainerSpec

function add(made: MadeContainers, id: string): PassThrough {
  const socket = new PassThrough()
  made.add(id, spec(`of ${id}`), 'slot', Promise.resolve(socket))
  return socket
}

const settled = () => new Promise(resolve => setImmediate(resolve))

test('a container is given out once, for its start', async () => {
  const made = new MadeContainers()
  const socket = add(made, 'a')
  const fresh = made.take('a')
  expect(fresh).toMatchObject({ tty: true, slot: 'slot', entrypoint: expect.arrayContaining(['/bin/sh']) })
  expect(await fresh?.socket).toBe(socket)
  expect(made.take('a')).toBeUndefined()
  made.forget('of a')
  await settled()
  expect(socket.destroyed).toBe(false)
})

test('what is removed before it started is let go, also when there was no connection to it', async () => {
  const made = new MadeContainers()
  const [gone, kept] = [add(made, 'a'), add(made, 'b')]
  made.add('c', spec('of c'), null, Promise.reject(new Error('refused')))
  for (const name of ['of a', 'of c', 'of nothing']) made.forget(name)
  await settled()
  expect([gone.destroyed, kept.destroyed]).toEqual([true, false])
  expect(made.take('a')).toBeUndefined()
})

test('what is never started and never removed does not gather', async () => {
  const made = new MadeContainers()
  const sockets = Array.from({ length: 70 }, (_, n) => add(made, `${n}`))
  await settled()
  expect(sockets.map(socket => socket.destroyed)).toEqual(sockets.map((_, n) => n < 6))
})
