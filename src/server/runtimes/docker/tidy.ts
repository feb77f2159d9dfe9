import { removeContainer, removeUnstarted } from './container.ts'
import type { Engine } from './engine.ts'
import { inspectImage, namedAt } from './image-inspection.ts'
import { inspect } from './inspection.ts'
import { FORMAT_LABEL, isPreparedName, pulledBase } from './prepared-image.ts'
import { isSlotName, PAUSE_LABEL, SLOT_LABEL, type Slots } from './slots.ts'
import { WARM_LABEL, type WarmGates } from './warm.ts'

export interface TidyOptions {
  /** Label and value of what is of our installation. */
  readonly owner: readonly [label: string, value: string]
  /** Prepared images that were not used for this long are removed. */
  readonly preparedMs: number
  /** With them goes what they were prepared from, if our own pull brought it; left out: it stays. */
  readonly pulled?: boolean
  /** What another process made and does not use for this long is taken for left over. It would be missed, not needed. */
  readonly orphanMs: number
  /** The label that says which process made a container; left out: it is not known that one is gone. */
  readonly node?: string
}

interface Listed {
  readonly Id: string
  readonly Names: readonly string[]
  readonly State: string
  /** Unix time, by the engine's clock. */
  readonly Created: number
  readonly Labels: Readonly<Record<string, string>>
}

/** What this process uses. */
export interface Ours {
  readonly slots: Slots | null
  readonly warm: WarmGates | null
}

/** Takes away what nobody needs any more, and nothing that was not made by us: everything is found by a label of ours, and by a name of ours too. */
export async function tidy(engine: Engine, { slots, warm }: Ours, options: TidyOptions): Promise<void> {
  const isLeft = ({ Created }: Listed) => Created * 1000 + options.orphanMs <= Date.now()
  await forgetUsers(engine, slots)
  await removeSlots(engine, slots, options, isLeft)
  await removeGates(engine, warm, options, isLeft)
  await removePrepared(engine, options)
}

/** The same of what these processes kept for jobs to come, at once: they are gone. One that only stood still misses it and makes anew. */
export async function clearAfter(
  engine: Engine,
  { slots, warm }: Ours,
  options: Pick<TidyOptions, 'owner' | 'node'>,
  gone: ReadonlySet<string>,
): Promise<void> {
  const isLeft = ({ Labels }: Listed) => options.node !== undefined && gone.has(Labels[options.node] ?? '')
  await removeSlots(engine, slots, options, isLeft)
  await removeGates(engine, warm, options, isLeft)
}

type IsLeft = (container: Listed) => boolean

/** A container that another node has removed holds no slot. */
async function forgetUsers(engine: Engine, slots: Slots | null): Promise<void> {
  for (const id of slots?.users ?? []) if (!(await inspect(engine, id))) slots?.release(id)
}

/** Of processes that ended without clearing up. A job in one of them needs it for as long as it runs. */
async function removeSlots(
  engine: Engine,
  slots: Slots | null,
  { owner }: Pick<TidyOptions, 'owner'>,
  isLeft: IsLeft,
): Promise<void> {
  const [label, value] = owner
  const pauses = await list(engine, [PAUSE_LABEL, `${label}=${value}`])
  for (const pause of pauses) {
    const { Id, Names, Labels } = pause
    const name = Labels[PAUSE_LABEL] ?? ''
    // under another name it is the container of a job, with a label of its image
    if (!isSlotName(name) || !Names.includes(`/${name}`)) continue
    if (slots?.has(name) || !isLeft(pause)) continue
    const users = await list(engine, [`${SLOT_LABEL}=${name}`])
    if (users.every(({ State }) => State === 'exited' || State === 'dead')) await removeContainer(engine, Id)
  }
}

/** Gates that ended with the process that held them. One that waits belongs to a process that is there, or only stopped. */
async function removeGates(
  engine: Engine,
  warm: WarmGates | null,
  { owner }: Pick<TidyOptions, 'owner'>,
  isLeft: IsLeft,
): Promise<void> {
  const [label, value] = owner
  for (const gate of await list(engine, [WARM_LABEL, `${label}=${value}`])) {
    const { Id, Names, Labels, State } = gate
    const name = Labels[WARM_LABEL] ?? ''
    // under another name it is the container of a job
    if (!Names.includes(`/${name}`) || State === 'running' || warm?.has(name)) continue
    // what has ended is of no use to whoever made it; what has not started yet may be just about to, and is not forced
    if (State !== 'created') await removeContainer(engine, Id)
    else if (isLeft(gate)) await removeUnstarted(engine, Id)
  }
}

async function list(engine: Engine, label: readonly string[]): Promise<Listed[]> {
  const query = { all: 1, filters: JSON.stringify({ label }) }
  return await engine.json<Listed[]>('GET', '/containers/json', { query })
}

/**
 * Not forced: the engine itself refuses while a container stands on it. Without the parents, which are the images as they came
 * and may have lost their name to a newer one.
 */
async function removePrepared(engine: Engine, { preparedMs, pulled, owner }: TidyOptions): Promise<void> {
  const query = { filters: JSON.stringify({ label: [FORMAT_LABEL] }) }
  const images = await engine.json<{ Id: string; RepoTags: string[] | null }[]>('GET', '/images/json', { query })
  for (const { Id, RepoTags } of images) {
    const image = await inspectImage(engine, Id)
    const used = namedAt(image)
    if (used === undefined || used + preparedMs > Date.now()) continue
    for (const name of RepoTags?.filter(isPreparedName) ?? []) {
      await engine.json('DELETE', `/images/${name}`, { query: { noprune: 1 } }).catch(() => {})
      const base = pulled ? pulledBase(name, image, owner[1]) : undefined
      // not forced either: it stays while somebody has given it another name, or a container or another image stands on it
      if (base) await engine.json('DELETE', `/images/${base}`).catch(() => {})
    }
  }
}
