import { addAbortSignal, type Duplex } from 'node:stream'
import { WritError } from '../../../protocol/errors.ts'
import type { Attachment, Cursor, SecretFiles } from '../runtime.ts'
import { isOfAnother } from './container.ts'
import { CopySize } from './copy-size.ts'
import type { Engine } from './engine.ts'
import { isGone, refusal } from './engine-error.ts'
import { watchExit } from './exit-watch.ts'
import { JOB_USER, secretTar, unpackCommand } from './gate.ts'
import { type Inspected, inspect, phaseOf } from './inspection.ts'
import { type LiveContainer, liveOutput } from './live-output.ts'
import { logCopy } from './log-copy.ts'
import type { Fresh, Made } from './made.ts'
import { Rejoin } from './rejoin.ts'
import { SLOT_LABEL, SlotLost } from './slots.ts'

const START_MS = 120_000

/** The connection over which a container gets its secrets and says what it has to say. */
export async function attachToStart(engine: Engine, id: string, tty: boolean, signal?: AbortSignal): Promise<Duplex> {
  const query = { stream: 1, stdout: 1, stderr: 1, ...(tty ? {} : { stdin: 1 }), detachKeys: '' }
  return await engine.hijack(`/containers/${id}/attach`, { query, signal })
}

/**
 * Attached before the start, so not even the first byte of a very short job is missed. `fresh`: this process has just created it and never
 * started it; otherwise the engine is asked.
 */
export async function startContainer(
  engine: Engine,
  id: string,
  files: SecretFiles,
  { fresh, signal }: { fresh?: Fresh | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Attachment> {
  let socket: Duplex | undefined
  const { tty, entrypoint, slot } = fresh ?? (await unstarted(engine, id, signal))
  try {
    socket = await (fresh?.socket ?? attachToStart(engine, id, tty, signal))
    signal?.throwIfAborted()
    const tar = await secretTar(files)
    await engine.json('POST', `/containers/${id}/start`, { signal, deadlineMs: START_MS })
    if (tty) await deliverBeside(engine, id, unpackCommand(entrypoint), tar, signal)
    else socket.end(tar)
  } catch (error) {
    socket?.destroy()
    if (slot && isOfAnother(error, id)) throw new SlotLost(slot)
    // 404 also stands for a network that is missing.
    const lost = isGone(error) && /no such container/i.test((error as Error).message)
    throw refusal(error, lost ? 'container_lost' : 'container_refused')
  }
  if (signal) addAbortSignal(signal, socket)
  return attachment(engine, { id, tty, socket, signal })
}

/**
 * Gives a gate that waits in a started container its job. It cannot be told whether the job began if this fails: the container
 * says it by how it ends.
 */
export async function releaseGate(
  engine: Engine,
  id: string,
  socket: Duplex,
  tar: Buffer,
  signal?: AbortSignal,
): Promise<Attachment> {
  socket.end(tar)
  if (signal) addAbortSignal(signal, socket)
  return attachment(engine, { id, tty: false, socket, signal })
}

function attachment(engine: Engine, live: Pick<LiveContainer, 'id' | 'tty' | 'socket' | 'signal'>): Attachment {
  const watch = watchExit(engine, live.id, { signal: live.signal })
  const size = new CopySize()
  return { output: liveOutput({ engine, ...live, watch, size }), exit: watch.exit, recorded: () => size.bytes }
}

/**
 * A gate that still waits is told that nothing more comes. The attack on waiting for it instead: a node that was only stopped keeps
 * its end open, for as long as it is stopped. A job has nothing there that could end.
 */
export async function endInput(engine: Engine, id: string, signal?: AbortSignal): Promise<void> {
  const socket = await engine
    .hijack(`/containers/${id}/attach`, { query: { stream: 1, stdin: 1 }, signal })
    .catch(() => null)
  socket?.resume()
  socket?.end()
}

export async function attachAgain(
  engine: Engine,
  name: string,
  cursor: Cursor,
  { given = false, signal }: { given?: boolean; signal?: AbortSignal } = {},
): Promise<Attachment> {
  const found = await existing(engine, name, signal)
  const { Id: id, State, Config } = found
  if (phaseOf(found) === 'created') throw new WritError('container_refused', 'it was never started')
  // Before anybody attaches: should the job end just now, Podman forgets its exit code. So nobody does there without need.
  const { exit } = watchExit(engine, id, { resumed: true, signal })
  const waits = State.Running && !Config.Tty && !(given && (await engine.isPodman(signal)))
  if (waits) await endInput(engine, id, signal)
  const streams = { stdout: new Rejoin(cursor.stdout), stderr: new Rejoin(cursor.stderr) }
  const size = new CopySize()
  return { output: logCopy(engine, id, streams, { size, signal }), exit, recorded: () => size.bytes }
}

/** The engine would start an ended container again; and a second attachment ends the input of a running one. */
async function unstarted(engine: Engine, id: string, signal?: AbortSignal): Promise<Made> {
  const found = await existing(engine, id, signal)
  if (phaseOf(found) !== 'created') throw new WritError('container_refused', 'it was started before')
  const { Config } = found
  return { tty: Config.Tty, entrypoint: Config.Entrypoint ?? [], slot: Config.Labels?.[SLOT_LABEL] ?? null }
}

async function existing(engine: Engine, name: string, signal?: AbortSignal): Promise<Inspected> {
  const found = await inspect(engine, name, signal)
  if (!found) throw new WritError('container_lost')
  return found
}

/** Through a process of its own beside the gate: 50 ms more, but what is written to a terminal comes back as output. */
async function deliverBeside(
  engine: Engine,
  id: string,
  command: readonly string[],
  tar: Buffer,
  signal?: AbortSignal,
): Promise<void> {
  const exec = { AttachStdin: true, AttachStdout: true, User: `${JOB_USER}:${JOB_USER}`, Cmd: command }
  const { Id } = await engine.json<{ Id: string }>('POST', `/containers/${id}/exec`, { body: exec, signal })
  const socket = await engine.hijack(`/exec/${Id}/start`, { body: { Detach: false, Tty: false }, signal })
  socket.resume()
  socket.end(tar)
}
