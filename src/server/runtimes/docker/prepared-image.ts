import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import { SECRETS_DIRECTORY } from '../runtime.ts'
import { fileKind, layOver, readPlainFile } from './archive.ts'
import type { Engine } from './engine.ts'
import { EngineError, nameIsTaken, refusal } from './engine-error.ts'
import { GATE_DIRECTORY, GATE_SHELL, GATE_TOOLS, IMAGE_SHELL, JOB_USER, STATE_DIRECTORY } from './gate.ts'
import type { GateBinary } from './gate-binary.ts'
import { type InspectedImage, inspectImage, namedAt } from './image-inspection.ts'
import { withJobUser } from './passwd.ts'
import { smallTar, type TarEntry } from './small-tar.ts'

export const REPOSITORY = 'writ-prepared'
/**
 * Raise it when the layer changes: what was prepared before is then prepared again. Part of the name too: two versions
 * of us may share an engine for the time of an upgrade.
 */
const FORMAT = '3'
export const FORMAT_LABEL = 'writ.prepared'
const BASE_LABEL = 'writ.base'
const METADATA_LABEL = 'writ.metadata'
/** Whose pull brought the image that it was prepared from; empty: it was here. Always written: an image may come with one of its own. */
const PULLED_LABEL = 'writ.pulled'

/** Goes on from what an image lacks. */
const NO_BINARY =
  'and there is no statically linked busybox to give it for its architecture: install busybox-static or set WRIT_GATE_BINARY'

const METADATA_BYTES = 64 * 1024
const PASSWD_BYTES = 1024 * 1024
const COMMIT_MS = 120_000
const OTHERS_MS = 30_000
/** So long it is taken for granted that a prepared image is still there. */
const KNOWN_MS = 60_000
/** How exact it is known when a prepared image was last used. */
const TOUCH_MS = 600_000
const POLL_MS = 100

export interface PreparedImage {
  readonly id: string
  readonly metadata: string | null
  /** What the gate runs with in it. */
  readonly shell: string
}

/** Whether a name is one that only we give. Labels prove nothing: anybody can put ours into an image. */
export function isPreparedName(name: string): boolean {
  return name.startsWith(`${REPOSITORY}:`)
}

/**
 * The id of the image that the one of that name was prepared from, if it is only here because `owner` has pulled it. By its name: what a
 * label says might be any image, or a path to something else of the engine's.
 */
export function pulledBase(name: string, prepared: InspectedImage | null, owner: string): string | undefined {
  if (prepared?.Config?.Labels?.[PULLED_LABEL] !== owner) return undefined
  return /:([0-9a-f]{64})-/.exec(name)?.[1]
}

/**
 * Every image gets one small layer, once: the job's user, the links to the secrets, the file that notes the start,
 * the shell of the gate. Doing it in each container instead costs two archive calls of 40 ms per job; making the layer costs 150 ms per image,
 * and a container from it 8 ms like any other. The layer also carries what was read of the image, so that nothing is
 * read again.
 */
export class PreparedImages {
  readonly #engine: Engine
  readonly #known = new Map<string, { readonly image: PreparedImage; readonly until: number }>()
  readonly #underway = new Map<string, Promise<PreparedImage>>()

  readonly #binary: () => GateBinary | null

  constructor(engine: Engine, binary: () => GateBinary | null) {
    this.#engine = engine
    this.#binary = binary
  }

  /** `pulledBy`: whose pull has just brought it. */
  async of(base: InspectedImage, pulledBy = '', signal?: AbortSignal): Promise<PreparedImage> {
    const gate = this.#gateFor(base)?.fingerprint ?? 'sh'
    const ref = `${REPOSITORY}:${base.Id.replace('sha256:', '')}-${FORMAT}-${gate}`
    const known = this.#known.get(ref)
    if (known && known.until > performance.now()) return known.image
    const ready = await this.#find(ref, signal)
    if (ready) {
      this.#known.set(ref, { image: ready, until: performance.now() + KNOWN_MS })
      return ready
    }
    this.#known.delete(ref)
    let preparing = this.#underway.get(base.Id)
    if (!preparing) {
      preparing = this.#prepare(base, ref, pulledBy).finally(() => this.#underway.delete(base.Id))
      this.#underway.set(base.Id, preparing)
    }
    return preparing
  }

  /** Somebody has taken it away. False: nobody had said that it is there. */
  forget(ref: string): boolean {
    return this.#known.delete(ref)
  }

  async #find(ref: string, signal?: AbortSignal): Promise<PreparedImage | null> {
    const found = await inspectImage(this.#engine, ref, signal)
    const labels = found?.Config?.Labels
    if (labels?.[FORMAT_LABEL] !== FORMAT) return null
    await this.#touch(ref, namedAt(found))
    const metadata = labels[METADATA_LABEL]
    return { ...this.#named(ref), metadata: metadata ? Buffer.from(metadata, 'base64').toString() : null }
  }

  /** The engine remembers when an image got its name, and nothing about its use: so a name that is used gets it anew. */
  async #touch(ref: string, named: number | undefined): Promise<void> {
    if (named === undefined || named + TOUCH_MS > Date.now()) return
    const [repo = '', tag = ''] = ref.split(':')
    await this.#engine.json('POST', `/images/${ref}/tag`, { query: { repo, tag } }).catch(() => {})
  }

  #named(ref: string): { id: string; shell: string } {
    return { id: ref, shell: ref.endsWith('-sh') ? IMAGE_SHELL : GATE_SHELL }
  }

  /** A program of another architecture than the image's would not start in it. */
  #gateFor(base: InspectedImage): GateBinary | null {
    const binary = this.#binary()
    return binary?.architecture === base.Architecture ? binary : null
  }

  /**
   * The name of the container keeps other processes out; one that died in the middle is cleared away after some time.
   */
  async #prepare(base: InspectedImage, ref: string, pulledBy = ''): Promise<PreparedImage> {
    const name = ref.replace(':', '-')
    const until = Date.now() + OTHERS_MS
    for (;;) {
      const container = await this.#container(base, name)
      if (container) {
        try {
          // Somebody else may have been through between the look and the name.
          return (await this.#find(ref)) ?? (await this.#commit(base, container, ref, pulledBy))
        } finally {
          await this.#remove(container)
        }
      }
      await sleep(POLL_MS)
      const ready = await this.#find(ref)
      if (ready) return ready
      if (Date.now() > until) await this.#remove(name)
    }
  }

  async #container(base: InspectedImage, name: string): Promise<string | null> {
    const { Entrypoint, Cmd } = base.Config ?? {}
    // It never runs, but the engine wants a command; one of the image stays as it is.
    const command = Entrypoint?.length || Cmd?.length ? {} : { Cmd: ['/bin/sh'] }
    const body = { Image: base.Id, NetworkDisabled: false, HostConfig: { NetworkMode: 'none' }, ...command }
    try {
      const { Id } = await this.#engine.json<{ Id: string }>('POST', '/containers/create', { query: { name }, body })
      return Id
    } catch (error) {
      if (nameIsTaken(error)) return null
      throw refusal(error, 'container_refused')
    }
  }

  async #commit(base: InspectedImage, container: string, ref: string, pulledBy = ''): Promise<PreparedImage> {
    try {
      const gate = this.#gateFor(base)
      await this.#check(base, container, gate === null)
      const metadata = await readPlainFile(this.#engine, container, '/gostint_image.yml', METADATA_BYTES)
      const passwd = await readPlainFile(this.#engine, container, '/etc/passwd', PASSWD_BYTES)
      const entries = [...layer(passwd ?? ''), ...(await this.#temporaryFolder(container)), ...(await program(gate))]
      await layOver(this.#engine, container, await smallTar(entries))
      const [repo = '', tag = ''] = ref.split(':')
      const encoded = metadata === null ? '' : Buffer.from(metadata).toString('base64')
      const labels = [
        `${FORMAT_LABEL}=${FORMAT}`,
        `${BASE_LABEL}=${base.Id}`,
        `${METADATA_LABEL}="${encoded}"`,
        `${PULLED_LABEL}="${pulledBy}"`,
      ]
      // a line for each: Podman takes all that follows the first name for its value
      const changes = labels.map(label => `LABEL ${label}`).join('\n')
      const query = { container, repo, tag, pause: 0, changes }
      await this.#commitAs(query)
      return { ...this.#named(ref), metadata }
    } catch (error) {
      throw refusal(error, 'container_refused')
    }
  }

  /** Podman wants a body, and Docker would take an empty one for a configuration that lacks some of the image's. */
  async #commitAs(query: Readonly<Record<string, string | number>>): Promise<void> {
    const commit = (body?: object) => this.#engine.json('POST', '/commit', { query, body, deadlineMs: COMMIT_MS })
    await commit().catch(error => {
      if (error instanceof EngineError && error.message.includes('Decode(): EOF')) return commit({})
      throw error
    })
  }

  async #check(base: InspectedImage, container: string, ownShell: boolean): Promise<void> {
    if ((await fileKind(this.#engine, container, '/etc/group')) === 'other') {
      throw new WritError('container_refused', '/etc/group of the image is no plain file')
    }
    if (await fileKind(this.#engine, container, GATE_DIRECTORY)) {
      throw new WritError('container_refused', `the image has a ${GATE_DIRECTORY} of its own`)
    }
    if (!ownShell) return
    if (!(await fileKind(this.#engine, container, IMAGE_SHELL))) {
      throw new WritError('container_refused', `the image has no ${IMAGE_SHELL}, ${NO_BINARY}`)
    }
    const path = base.Config?.Env?.find(item => item.startsWith('PATH='))?.slice('PATH='.length)
    for (const folder of (path || '/usr/local/bin:/usr/bin:/bin').split(':')) {
      if (await fileKind(this.#engine, container, `${folder}/tar`)) return
    }
    throw new WritError('container_refused', `the image has no tar, ${NO_BINARY}`)
  }

  /** The home of the job's user is `/tmp`, which an image without anything lacks. */
  async #temporaryFolder(container: string): Promise<TarEntry[]> {
    if (await fileKind(this.#engine, container, '/tmp')) return []
    return [{ name: 'tmp', type: 'directory', mode: 0o1777 }]
  }

  async #remove(container: string): Promise<void> {
    await this.#engine.json('DELETE', `/containers/${container}`, { query: { force: 1, v: 1 } }).catch(() => {})
  }
}

function layer(passwd: string): TarEntry[] {
  const link = (name: string): TarEntry => ({ name, type: 'symlink', linkname: `${SECRETS_DIRECTORY}/${name}` })
  const folder = (path: string): TarEntry => ({ name: path.slice(1), type: 'directory', mode: 0o755 })
  return [
    { name: 'etc/passwd', mode: 0o444, data: withJobUser(passwd) },
    link('secrets.yml'),
    link('secrets.json'),
    folder(GATE_DIRECTORY),
    folder(STATE_DIRECTORY),
    { name: `${STATE_DIRECTORY.slice(1)}/started`, mode: 0o600, uid: JOB_USER, gid: JOB_USER },
  ]
}

async function program(gate: GateBinary | null): Promise<TarEntry[]> {
  if (!gate) return []
  const links = GATE_TOOLS.map(tool => ({ name: `${GATE_DIRECTORY.slice(1)}/${tool}`, linkname: GATE_SHELL }))
  return [
    { name: GATE_SHELL.slice(1), mode: 0o755, data: await readFile(gate.path) },
    ...links.map(link => ({ ...link, type: 'symlink' as const })),
  ]
}
