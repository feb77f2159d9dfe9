import { closeSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { containerOfCgroup } from './cgroup.ts'
import type { Peer } from './scheduler.ts'

// Linux, <asm-generic/socket.h>
const SOL_SOCKET = 1
const SO_PEERCRED = 17
const SO_PEERPIDFD = 77

type Getsockopt = (fd: number, level: number, option: number, value: Buffer, length: Buffer) => number

/**
 * Who connected to a Unix socket, by the kernel alone; undefined when it cannot be said for certain. Ask as soon as the connection is
 * there. A process that has ended since is nobody: its number may be another's by now.
 *
 * Needs SO_PEERPIDFD (Linux 6.5), node:ffi, and a `/proc` that shows the processes of the containers (ADR 16).
 */
export function peerOf(socket: Socket): Peer | undefined {
  const fd = descriptorOf(socket)
  if (fd === undefined) return undefined
  try {
    getsockopt ??= loadGetsockopt()
    return identify(fd, getsockopt)
  } catch {
    return undefined
  }
}

let getsockopt: Getsockopt | undefined

/** Node has no call for it. Loaded with the first connection: it is experimental there, and a gate without Unix socket needs none. */
function loadGetsockopt(): Getsockopt {
  const ffi = createRequire(import.meta.url)('node:ffi') as {
    DynamicLibrary: new (path: null) => { getFunction(name: string, signature: object): Getsockopt }
  }
  const signature = { arguments: ['int32', 'int32', 'int32', 'buffer', 'buffer'], return: 'int32' }
  return new ffi.DynamicLibrary(null).getFunction('getsockopt', signature)
}

function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}

function identify(fd: number, call: Getsockopt): Peer | undefined {
  const option = (name: number, bytes: number): Buffer => {
    const value = Buffer.alloc(bytes)
    const length = Buffer.alloc(4)
    length.writeInt32LE(bytes)
    if (call(fd, SOL_SOCKET, name, value, length) !== 0) throw new Error('the kernel does not say')
    return value
  }
  const process = option(SO_PEERPIDFD, 4).readInt32LE(0)
  try {
    const credentials = option(SO_PEERCRED, 12)
    const pid = pidOf(process)
    if (pid === undefined || pid !== credentials.readInt32LE(0)) return undefined
    const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    // Still alive after the reading: so it was its file, and not that of one who got the number of a process that had ended.
    if (pidOf(process) !== pid) return undefined
    const [uid, gid] = [credentials.readUInt32LE(4), credentials.readUInt32LE(8)]
    return { pid, uid, gid, container: containerOfCgroup(cgroup) }
  } finally {
    closeSync(process)
  }
}

/** The number of the process that a pidfd holds, in our namespace; undefined when it has ended or is out of our sight. */
function pidOf(pidfd: number): number | undefined {
  const pid = Number(/^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'))?.[1])
  return pid > 0 ? pid : undefined
}
