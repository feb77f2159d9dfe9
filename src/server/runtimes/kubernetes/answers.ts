import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { WritError } from '../../../protocol/errors.ts'

// What is used of the Kubernetes API's answers: batch/v1 and v1.

const text = Type.String({ maxLength: 4_096 })
const longText = Type.String({ maxLength: 64 * 1024 })
const texts = Type.Record(Type.String(), longText)
const time = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT' })

const condition = Type.Object({
  type: text,
  status: text,
  reason: Type.Optional(text),
  message: Type.Optional(longText),
})

const Job = Type.Object({
  kind: Type.Optional(Type.Literal('Job')),
  metadata: Type.Object({
    name: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    deletionTimestamp: Type.Optional(text),
    labels: Type.Optional(texts),
    annotations: Type.Optional(texts),
  }),
  spec: Type.Object({ suspend: Type.Optional(Type.Boolean()) }),
  status: Type.Optional(
    Type.Object({
      conditions: Type.Optional(Type.Array(condition)),
      failed: Type.Optional(Type.Integer()),
      succeeded: Type.Optional(Type.Integer()),
    }),
  ),
})
export type Job = Static<typeof Job>
const job = Compile(Job)
const jobs = Compile(
  Type.Object({ metadata: Type.Object({ continue: Type.Optional(longText) }), items: Type.Array(Job) }),
)

/** Kubernetes' own type is int32. The attack: a larger one does not fit into the database, nor do the other ends that are recorded with it. */
const exitCode = Type.Integer({ minimum: -(2 ** 31), maximum: 2 ** 31 - 1 })
const terminated = Type.Object({
  exitCode,
  reason: Type.Optional(text),
  message: Type.Optional(longText),
})
const ContainerStatus = Type.Object({
  name: text,
  state: Type.Optional(
    Type.Object({
      waiting: Type.Optional(Type.Object({ reason: Type.Optional(text), message: Type.Optional(longText) })),
      running: Type.Optional(Type.Object({})),
      terminated: Type.Optional(terminated),
    }),
  ),
})
export type ContainerStatus = Static<typeof ContainerStatus>

const Pod = Type.Object({
  metadata: Type.Object({
    name: text,
    uid: text,
    creationTimestamp: time,
    deletionTimestamp: Type.Optional(text),
    ownerReferences: Type.Optional(Type.Array(Type.Object({ uid: text, controller: Type.Optional(Type.Boolean()) }))),
  }),
  spec: Type.Object({
    initContainers: Type.Optional(Type.Array(Type.Object({ name: text }))),
    containers: Type.Array(Type.Object({ name: text })),
  }),
  status: Type.Object({
    phase: Type.Optional(text),
    reason: Type.Optional(text),
    message: Type.Optional(longText),
    conditions: Type.Optional(Type.Array(condition)),
    initContainerStatuses: Type.Optional(Type.Array(ContainerStatus)),
    containerStatuses: Type.Optional(Type.Array(ContainerStatus)),
  }),
})
export type Pod = Static<typeof Pod>
const pod = Compile(Type.Intersect([Type.Object({ kind: Type.Literal('Pod') }), Pod]))
const pods = Compile(Type.Object({ items: Type.Array(Pod) }))

/** Throws `runtime_unavailable` for what is none: who answers is not Kubernetes, and may not be believed in anything. */
export function jobOf(answer: unknown): Job {
  if (!job.Check(answer)) throw notThat('a Job')
  return answer
}

export function jobsOf(answer: unknown): { items: readonly Job[]; more: string } {
  if (!jobs.Check(answer)) throw notThat('a list of Jobs')
  return { items: answer.items, more: answer.metadata.continue ?? '' }
}

export function podsOf(answer: unknown): readonly Pod[] {
  if (!pods.Check(answer)) throw notThat('a list of pods')
  return answer.items
}

/** Null: the pod was gone at once, and the answer says only that. */
export function podOf(answer: unknown): Pod | null {
  return pod.Check(answer) ? answer : null
}

function notThat(what: string): WritError {
  return new WritError('runtime_unavailable', `Kubernetes: an answer that is not ${what}`)
}
