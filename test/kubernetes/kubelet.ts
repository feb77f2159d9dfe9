import { Engine } from '../../src/server/runtimes/docker/engine.ts'
import { FrameParser } from '../../src/server/runtimes/docker/frames.ts'
import { smallTar } from '../../src/server/runtimes/docker/small-tar.ts'
import type { Any, Objects } from './objects.ts'

/** A piece of a container's log, as the runtime of a machine notes it down. */
interface Entry {
  readonly time: string
  readonly data: Buffer
  /** It begins a line: only then its time is shown. */
  readonly first: boolean
}

/** Runs the containers of pods on the real engine, and keeps their logs as a kubelet does. */
export class Kubelet {
  readonly #objects: Objects
  readonly #engine = new Engine()
  readonly #logs = new Map<string, { readonly entries: Entry[]; ended: boolean }>()
  readonly #known = new Set<string>()
  readonly #containers = new Set<string>()
  /** Names of the pods whose container was started, once for each start. */
  readonly ran: string[] = []
  /** Does nothing, as a machine that is away. */
  paused = false

  constructor(objects: Objects) {
    this.#objects = objects
    objects.onChange(() => setImmediate(() => this.#sync()))
  }

  async close(): Promise<void> {
    for (const id of this.#containers) await this.#remove(id)
    await this.#engine.close()
  }

  /** Has its machine get an image. */
  async pull(image: string): Promise<void> {
    const { body } = await this.#engine.stream('POST', '/images/create', { query: { fromImage: image }, deadlineMs: 0 })
    for await (const _ of body);
  }

  /** Forgets the older part of a log, as a kubelet does when it has become long: half of its writes, or so many. */
  rotate(pod: string, container: string, writes?: number): void {
    const log = this.#logs.get(`${pod}/${container}`)
    log?.entries.splice(0, writes ?? Math.floor(log.entries.length / 2))
  }

  /** With times, from a second on; ends with the container, or at once. */
  async *log(pod: string, container: string, query: URLSearchParams, signal: AbortSignal): AsyncGenerator<Buffer> {
    const since = query.get('sinceTime') ?? ''
    const log = this.#logs.get(`${pod}/${container}`)
    if (!log) return
    let last: Entry | undefined
    while (!signal.aborted) {
      const ended = log.ended
      const fresh = log.entries.slice(last ? log.entries.indexOf(last) + 1 : 0)
      for (const entry of fresh) {
        last = entry
        if (Date.parse(`${entry.time.slice(0, 19)}Z`) < Date.parse(since || '1970-01-01')) continue
        yield entry.first ? Buffer.concat([Buffer.from(`${entry.time} `), entry.data]) : entry.data
      }
      if (query.get('follow') !== 'true' || ended) return
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }

  #sync(): void {
    if (this.paused) return
    for (const pod of this.#objects.list('pods', '')) {
      if (pod.metadata.deletionTimestamp) void this.#end(pod)
      else if (!this.#known.has(pod.metadata.uid)) {
        this.#known.add(pod.metadata.uid)
        pod.spec.nodeName = 'node-1'
        void this.#run(pod).catch(error =>
          this.#status(pod, { phase: 'Failed', reason: 'Test', message: String(error) }),
        )
      }
    }
  }

  async #run(pod: Any): Promise<void> {
    for (const kind of ['initContainers', 'containers'] as const)
      for (const container of pod.spec[kind] ?? []) {
        const code = await this.#container(
          pod,
          container,
          kind === 'containers' ? 'containerStatuses' : 'initContainerStatuses',
        )
        if (code === null) return
        if (code !== 0) return this.#status(pod, { phase: 'Failed' })
      }
    this.#status(pod, { phase: 'Succeeded' })
  }

  /** Its exit code; null: the pod went away. */
  async #container(pod: Any, container: Any, list: string): Promise<number | null> {
    const is = (state: Any) => this.#state(pod, list, container.name, state)
    for (;;) {
      if (!this.#objects.find('pods', pod.metadata.namespace, pod.metadata.name) || pod.metadata.deletionTimestamp)
        return null
      const secret = this.#missing(pod, container)
      const image = await this.#engine.json('GET', `/images/${container.image}/json`).catch(() => null)
      if (image && !secret) break
      const waiting = secret
        ? { reason: 'CreateContainerConfigError', message: `secret "${secret}" not found` }
        : { reason: 'ErrImagePull', message: `no such image: ${container.image}` }
      is({ waiting })
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    const name = `k8s_${container.name}_${pod.metadata.name}`
    const body = {
      Image: container.image,
      ...(container.command ? { Entrypoint: container.command } : {}),
      Cmd: container.args ?? [],
      Env: (container.env ?? []).map((each: Any) => `${each.name}=${this.#value(pod, each)}`),
      WorkingDir: container.workingDir ?? '',
      Tty: container.tty ?? false,
      HostConfig: { NetworkMode: 'none', Init: true, Memory: 64 << 20 },
    }
    const { Id } = await this.#engine.json<{ Id: string }>('POST', '/containers/create', { query: { name }, body })
    this.#containers.add(Id)
    await this.#files(pod, container, Id)
    await this.#engine.json('POST', `/containers/${Id}/start`)
    if (list === 'containerStatuses') this.ran.push(pod.metadata.name)
    const log = { entries: [] as Entry[], ended: false }
    this.#logs.set(`${pod.metadata.name}/${container.name}`, log)
    pod.metadata.container = Id
    is({ running: { startedAt: new Date().toISOString() } })
    if (list === 'containerStatuses') this.#status(pod, { phase: 'Running' })
    await this.#note(Id, body.Tty, log.entries)
    const { StatusCode: exitCode } = await this.#engine.json<{ StatusCode: number }>('POST', `/containers/${Id}/wait`, {
      deadlineMs: 0,
    })
    const { State } = await this.#engine.json<Any>('GET', `/containers/${Id}/json`)
    log.ended = true
    is({ terminated: { exitCode, reason: State.OOMKilled ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error' } })
    return exitCode
  }

  async #note(id: string, tty: boolean, entries: Entry[]): Promise<void> {
    const query = { stdout: 1, stderr: 1, follow: 1, timestamps: 1 }
    const { body } = await this.#engine.stream('GET', `/containers/${id}/logs`, { query })
    const parser = new FrameParser()
    let first = true
    const take = (data: Buffer) => {
      const space = data.indexOf(32)
      const entry = { time: data.subarray(0, space).toString(), data: Buffer.from(data.subarray(space + 1)), first }
      first = entry.data.at(-1) === 10
      entries.push(entry)
    }
    for await (const chunk of body)
      if (!tty) for (const { data } of parser.push(chunk as Buffer)) take(Buffer.from(data))
  }

  async #files(pod: Any, container: Any, id: string): Promise<void> {
    for (const { name, mountPath } of container.volumeMounts ?? []) {
      const volume = pod.spec.volumes?.find((each: Any) => each.name === name)?.secret
      const secret = volume && this.#objects.find('secrets', pod.metadata.namespace, volume.secretName)
      if (!secret) continue
      const tar = await smallTar(
        volume.items.map(({ key, path }: Any) => ({
          name: `${mountPath.slice(1)}/${path}`,
          data: Buffer.from(secret.data[key], 'base64'),
        })),
      )
      await this.#engine.json('PUT', `/containers/${id}/archive`, { query: { path: '/' }, body: tar })
    }
  }

  #missing(pod: Any, container: Any): string | null {
    const volumes = (container.volumeMounts ?? []).map((mount: Any) =>
      pod.spec.volumes?.find((each: Any) => each.name === mount.name),
    )
    const names = [
      ...(container.env ?? []).map((each: Any) => each.valueFrom?.secretKeyRef?.name),
      ...volumes.map((each: Any) => each?.secret?.secretName),
    ].filter(Boolean)
    return names.find(name => !this.#objects.find('secrets', pod.metadata.namespace, name)) ?? null
  }

  #value(pod: Any, { value, valueFrom }: Any): string {
    if (!valueFrom) return value ?? ''
    const { name, key } = valueFrom.secretKeyRef
    return Buffer.from(this.#objects.find('secrets', pod.metadata.namespace, name).data[key], 'base64').toString()
  }

  #state(pod: Any, list: string, name: string, state: Any): void {
    const others = (pod.status[list] ?? []).filter((each: Any) => each.name !== name)
    this.#status(pod, { [list]: [...others, { name, state }] })
  }

  #status(pod: Any, change: Any): void {
    if (!this.#objects.find('pods', pod.metadata.namespace, pod.metadata.name)) return
    pod.status = { ...pod.status, ...change }
    this.#objects.put('pods', pod)
  }

  /** SIGTERM, SIGKILL after its grace, and then it is gone. */
  async #end(pod: Any): Promise<void> {
    const grace = pod.metadata.deletionGracePeriodSeconds
    // once, and again with less grace
    if ((pod.metadata.ending ?? Number.POSITIVE_INFINITY) <= grace) return
    pod.metadata.ending = grace
    const id = pod.metadata.container
    if (id)
      await this.#engine
        .json('POST', `/containers/${id}/stop`, {
          query: { t: grace },
          deadlineMs: 0,
        })
        .catch(() => {})
    // the end is noted before the pod goes
    await new Promise(resolve => setTimeout(resolve, 300))
    this.#objects.drop('pods', pod)
    if (id) await this.#remove(id)
  }

  async #remove(id: string): Promise<void> {
    this.#containers.delete(id)
    await this.#engine.json('DELETE', `/containers/${id}`, { query: { force: 1, v: 1 } }).catch(() => {})
  }
}
