import { randomUUID } from 'node:crypto'

// biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes, of any shape
export type Any = any

/** Something that Kubernetes answers instead of doing it. */
export class Refused extends Error {
  readonly code: number
  readonly reason: string
  constructor(code: number, reason: string, message: string) {
    super(message)
    this.code = code
    this.reason = reason
  }
}

/** The objects of a cluster, with Kubernetes' own rules of who may overwrite what: uid, resourceVersion, finalizers. */
export class Objects {
  readonly #all = new Map<string, Any>()
  readonly #changed = new Set<() => void>()
  #version = 100

  onChange(hear: () => void): void {
    this.#changed.add(hear)
  }

  /** Of one namespace, or of all. */
  list(kind: string, namespace: string, selector = ''): Any[] {
    const wanted = selector
      .split(',')
      .filter(Boolean)
      .map(each => each.split('='))
    return [...this.#all]
      .filter(([key]) => key.startsWith(namespace === '' ? `${kind}/` : `${kind}/${namespace}/`))
      .map(([, object]) => object)
      .filter(object => wanted.every(([name = '', value]) => object.metadata.labels?.[name] === value))
  }

  get(kind: string, namespace: string, name: string): Any {
    const object = this.find(kind, namespace, name)
    if (!object) throw new Refused(404, 'NotFound', `${kind} "${name}" not found`)
    return object
  }

  find(kind: string, namespace: string, name: string): Any {
    return this.#all.get(`${kind}/${namespace}/${name}`)
  }

  create(kind: string, namespace: string, object: Any, dryRun = false): Any {
    const { name } = object.metadata
    if (this.find(kind, namespace, name)) throw new Refused(409, 'AlreadyExists', `${kind} "${name}" already exists`)
    const made = structuredClone(object)
    const creationTimestamp = new Date().toISOString().replace(/\.\d+/, '')
    Object.assign(made.metadata, { namespace, uid: randomUUID(), creationTimestamp })
    if (!dryRun) this.put(kind, made)
    return made
  }

  put(kind: string, object: Any): void {
    this.#version += 1
    object.metadata.resourceVersion = String(this.#version)
    this.#all.set(`${kind}/${object.metadata.namespace}/${object.metadata.name}`, object)
    this.#tell()
  }

  patch(kind: string, namespace: string, name: string, patch: Any): Any {
    const object = this.get(kind, namespace, name)
    check(object, patch.metadata ?? {})
    const { uid: _, resourceVersion: __, ...metadata } = patch.metadata ?? {}
    const merged = merge(structuredClone(object), { ...patch, metadata })
    this.put(kind, merged)
    return merged
  }

  remove(kind: string, namespace: string, name: string, options: Any = {}): void {
    const object = this.get(kind, namespace, name)
    check(object, options?.preconditions ?? {})
    const finalizers = options?.propagationPolicy === 'Foreground' ? ['foregroundDeletion'] : []
    const held = [...(object.metadata.finalizers ?? []), ...finalizers]
    const graceful = kind === 'pods' && options?.gracePeriodSeconds !== 0 && object.spec.nodeName
    if (held.length === 0 && !graceful) {
      this.drop(kind, object)
      return
    }
    object.metadata.finalizers = held
    object.metadata.deletionTimestamp ??= new Date().toISOString()
    // may be shortened, and never made longer
    const grace = options?.gracePeriodSeconds ?? object.spec?.terminationGracePeriodSeconds ?? 30
    const { deletionGracePeriodSeconds: before = grace } = object.metadata
    object.metadata.deletionGracePeriodSeconds = Math.min(before, grace)
    this.put(kind, object)
  }

  drop(kind: string, object: Any): void {
    this.#all.delete(`${kind}/${object.metadata.namespace}/${object.metadata.name}`)
    this.#tell()
  }

  #tell(): void {
    for (const hear of this.#changed) hear()
  }
}

function check(object: Any, { uid, resourceVersion }: Any): void {
  if (uid && uid !== object.metadata.uid) throw new Refused(409, 'Conflict', 'Precondition failed: UID in precondition')
  if (resourceVersion && resourceVersion !== object.metadata.resourceVersion)
    throw new Refused(409, 'Conflict', 'the object has been modified')
}

function merge(target: Any, patch: Any): Any {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key]
    else if (typeof value === 'object' && !Array.isArray(value)) target[key] = merge(target[key] ?? {}, value)
    else target[key] = value
  }
  return target
}
