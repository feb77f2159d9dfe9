import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { WritError } from '../../../../protocol/errors.ts'

// What is used of the answer of DescribeTasks, as the AWS SDK hands it over.

const text = Type.String({ maxLength: 2_048 })
const Interface = Type.Object({ privateIpv4Address: Type.Optional(text), ipv6Address: Type.Optional(text) })

const EcsTask = Type.Object({
  taskArn: text,
  clusterArn: text,
  taskDefinitionArn: text,
  lastStatus: text,
  desiredStatus: Type.Optional(text),
  containers: Type.Optional(
    Type.Array(Type.Object({ image: Type.Optional(text), networkInterfaces: Type.Optional(Type.Array(Interface)) })),
  ),
})
/** `startedAt` is looked at apart: JSON Schema knows no dates. */
export type EcsTask = Static<typeof EcsTask> & { readonly startedAt?: unknown }

const answer = Compile(
  Type.Object({
    tasks: Type.Optional(Type.Array(EcsTask)),
    failures: Type.Optional(Type.Array(Type.Object({ reason: Type.Optional(text) }))),
  }),
)

/** The tasks in an answer. Throws `scheduler_lied`; `scheduler_unavailable` if ECS gives another reason than that there is none. */
export function tasksIn(value: unknown): EcsTask[] {
  if (!answer.Check(value)) throw new WritError('scheduler_lied', "not ECS' description of tasks")
  const other = value.failures?.find(({ reason }) => reason !== 'MISSING')
  if (other) throw new WritError('scheduler_unavailable', 'ECS gives no task and no reason that is known')
  return (value.tasks ?? []) as EcsTask[]
}
