import { WritError } from '../../../protocol/errors.ts'
import type { ContainerSpec, ContainerState } from '../runtime.ts'
import { layOver } from './archive.ts'
import type { Engine } from './engine.ts'
import { EngineError, isGone, nameIsTaken, refusal } from './engine-error.ts'
import { gateEntrypoint, IMAGE_SHELL, JOB_USER, OPEN_SECRETS_TMPFS, SECRETS_TMPFS, STATE_DIRECTORY } from './gate.ts'
import { inspect, phaseOf, stateOf } from './inspection.ts'
import { type Made, requireLimits } from './limits-held.ts'
import { SLOT_LABEL, SlotLost } from './slots.ts'

const REMOVE_MS = 60_000

export async function createContainer(
  engine: Engine,
  spec: ContainerSpec,
  slot: string | null,
  signal?: AbortSignal,
): Promise<string | null> {
  if (spec.argv.length === 0) throw new WritError('container_refused', 'neither the job nor its image names a command')
  const body = createBody(spec, slot)
  let made: Made
  try {
    const query = { name: spec.name }
    // not given up: the engine would go on with it, and nobody knew the id of what it makes
    const create = (body: object) => engine.json<Made>('POST', '/containers/create', { query, body })
    made = await create(body).catch(error => {
      if (!isOwnerUnknown(error)) throw error
      return create(createBody(spec, slot, OPEN_SECRETS_TMPFS))
    })
  } catch (error) {
    if (slot && isOfAnother(error)) throw new SlotLost(slot)
    if (nameIsTaken(error)) return null
    throw refusal(error, isGone(error) ? 'image_not_found' : 'container_refused')
  }
  try {
    await requireLimits(engine, made, body.HostConfig)
    if (spec.content) await layOver(engine, made.Id, spec.content(), signal)
    return made.Id
  } catch (error) {
    await removeContainer(engine, made.Id)
    throw refusal(error, 'container_refused')
  }
}

/** A network to join that is not there, or whose owner does not run. */
export function isOfAnother(error: unknown, id = ''): boolean {
  if (!(error instanceof EngineError)) return false
  const gone = error.status === 404 && /no such container/i.test(error.message) && (!id || !error.message.includes(id))
  return gone || /cannot join network/i.test(error.message)
}

/** Podman 4.3 knows no owner of files in memory. */
function isOwnerUnknown(error: unknown): boolean {
  return error instanceof EngineError && error.message.includes('unknown mount option "uid=')
}

/** How the engine is told about it. */
export function createBody(spec: ContainerSpec, slot: string | null, secrets: Record<string, string> = SECRETS_TMPFS) {
  const { tty, limits } = spec
  return {
    Image: spec.image.id,
    Entrypoint: gateEntrypoint(spec.image.shell ?? IMAGE_SHELL, tty),
    Cmd: spec.argv,
    Env: hasHome(spec) ? spec.env : ['HOME=/tmp', ...spec.env],
    ...(spec.workingDirectory ? { WorkingDir: spec.workingDirectory } : {}),
    User: `${JOB_USER}:${JOB_USER}`,
    Labels: slot ? { ...spec.labels, [SLOT_LABEL]: slot } : spec.labels,
    Tty: tty,
    // StdinOnce: without it the end of our side never reaches the gate.
    ...(tty ? {} : { OpenStdin: true, StdinOnce: true, AttachStdin: true }),
    StopSignal: 'SIGTERM',
    // Where nothing can be written, the note of the start needs a place of its own; it goes with the container.
    ...(limits.readOnly ? { Volumes: { [STATE_DIRECTORY]: {} } } : {}),
    // An image's health check would run beside the job, before its secrets are there.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      // A process 1 of its own: most programs ignore SIGTERM as process 1.
      Init: true,
      Tmpfs: limits.readOnly ? { ...secrets, '/tmp': temporary(limits.memoryBytes) } : secrets,
      ReadonlyRootfs: limits.readOnly ?? false,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: limits.pids,
      Memory: limits.memoryBytes,
      // The same as Memory: no swap, where the secrets in memory could reach a disk.
      MemorySwap: limits.memoryBytes,
      NanoCpus: Math.round((limits.cpus ?? 0) * 1e9),
      NetworkMode: slot ? `container:${slot}` : limits.network,
      // No rotation: following a log across it loses output.
      LogConfig: { Type: 'json-file', Config: {} },
    },
  }
}

/** Its own or its image's; else it is that of the job's user, also where the content brings users of its own (gostint.md §9.3). */
function hasHome({ env, image }: ContainerSpec): boolean {
  return image.home !== undefined || env.some(item => item.startsWith('HOME='))
}

/** What is in it counts as the job's memory: with all of that, a full `/tmp` would end the job instead of saying so. */
function temporary(memoryBytes: number): string {
  return `rw,noexec,nosuid,nodev,mode=1777,size=${Math.floor(memoryBytes / 2)}`
}

export async function removeContainer(engine: Engine, name: string): Promise<void> {
  try {
    const query = { force: 1, v: 1 }
    await engine.json('DELETE', `/containers/${encodeURIComponent(name)}`, { query, deadlineMs: REMOVE_MS })
  } catch (error) {
    if (!isGone(error) && !isBeingRemoved(error)) throw refusal(error, 'runtime_unavailable')
  }
}

/** Not forced: should it start between the look and the removal, the engine refuses to remove it. */
export async function removeUnstarted(engine: Engine, name: string): Promise<boolean> {
  const found = await inspect(engine, name)
  if (!found) return true
  if (phaseOf(found) !== 'created') return false
  try {
    await engine.json('DELETE', `/containers/${found.Id}`, { query: { v: 1 }, deadlineMs: REMOVE_MS })
    return true
  } catch (error) {
    if (isGone(error)) return true
    if (error instanceof EngineError && error.status === 409) return false
    throw refusal(error, 'runtime_unavailable')
  }
}

function isBeingRemoved(error: unknown): boolean {
  return error instanceof EngineError && error.status === 409 && /already in progress/.test(error.message)
}

export async function listContainers(engine: Engine, label: string, value: string): Promise<ContainerState[]> {
  const query = { all: 1, filters: JSON.stringify({ label: [`${label}=${value}`] }) }
  const listed = await engine.json<{ Id: string }[]>('GET', '/containers/json', { query }).catch(error => {
    throw refusal(error, 'runtime_unavailable')
  })
  // The list lacks exit codes; a look at one takes 1 ms.
  const found = await Promise.all(listed.map(({ Id }) => inspect(engine, Id)))
  return found.filter(state => state !== null).map(stateOf)
}
