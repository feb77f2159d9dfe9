import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testsAreInContainer } from '../../../../test/own-container.ts'
import { connecting, PlainContainers } from '../../../../test/plain-containers.ts'
import { peerOf } from './peer.ts'

const containers = new PlainContainers()
let folder: string
let server: Server

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'writ-peer-'))
  server = createServer().listen(join(folder, 'gate.sock'))
  await once(server, 'listening')
})

afterEach(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

const accepted = async (): Promise<Socket> => {
  const [socket] = (await once(server, 'connection')) as [Socket]
  socket.on('error', () => {})
  return socket
}
const inContainer = (then: string) =>
  containers.start(connecting('/gate/gate.sock', then), { binds: [`${folder}:/gate`] })

test('a process of a container, with its container', async () => {
  const [socket, { id }] = await Promise.all([accepted(), inContainer('sleep 60')])
  const peer = peerOf(socket)
  expect(peer).toMatchObject({ container: id, uid: 0, gid: 0 })
  expect(readFileSync(`/proc/${peer?.pid}/comm`, 'utf8')).toBe('perl\n')
})

test('two containers are told apart', async () => {
  const [first, one] = await Promise.all([accepted(), inContainer('sleep 60')])
  const [second, other] = await Promise.all([accepted(), inContainer('sleep 60')])
  expect([peerOf(first)?.container, peerOf(second)?.container]).toEqual([one.id, other.id])
})

test.skipIf(testsAreInContainer)('a process of the host is in no container', async () => {
  const client = connect(join(folder, 'gate.sock'))
  const socket = await accepted()
  expect(peerOf(socket)).toEqual({
    pid: process.pid,
    uid: process.getuid?.(),
    gid: process.getgid?.(),
    container: null,
  })
  client.destroy()
})

test('a process that has ended is nobody, although a child of it holds the connection', async () => {
  const [perl = '', ...rest] = connecting(join(folder, 'gate.sock'), 'exit if fork; sleep 60')
  // its number may belong to a process of another container by now
  const client = execFile(perl, rest)
  const ended = once(client, 'exit')
  const socket = await accepted()
  await ended
  expect(socket.destroyed).toBe(false)
  expect(peerOf(socket)).toBeUndefined()
  socket.destroy()
})

test('a connection that is closed already, and one over TCP', async () => {
  const client = connect(join(folder, 'gate.sock'))
  const socket = await accepted()
  client.destroy()
  socket.destroy()
  await sleep(20)
  expect(peerOf(socket)).toBeUndefined()

  const tcp = createServer().listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const far = connect((tcp.address() as { port: number }).port, '127.0.0.1')
  const [near] = (await once(tcp, 'connection')) as [Socket]
  expect(peerOf(near)).toBeUndefined()
  far.destroy()
  tcp.close()
})

test('asking leaves no file open', async () => {
  const client = connect(join(folder, 'gate.sock'))
  const socket = await accepted()
  const open = () => readFileSync('/proc/self/status', 'utf8').match(/FDSize:\s+(\d+)/)?.[1]
  const before = open()
  for (let i = 0; i < 2_000; i++) peerOf(socket)
  expect(open()).toBe(before)
  client.destroy()
})
