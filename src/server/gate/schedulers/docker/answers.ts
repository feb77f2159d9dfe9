import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { WritError } from '../../../../protocol/errors.ts'

// What is used of the Docker Engine API's answers (v1.41 and later).

const text = Type.String({ maxLength: 4_096 })
const Id = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Env = Type.Union([Type.Array(Type.String()), Type.Null()])
const Labels = Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])

const Container = Type.Object({
  Id,
  Name: text,
  Image: Type.String({ pattern: '^(sha256:)?[0-9a-f]{64}$' }),
  Config: Type.Object({ Image: text, Labels, Env: Type.Optional(Env) }),
  State: Type.Object({
    Status: text,
    Running: Type.Boolean(),
    Paused: Type.Boolean(),
    Restarting: Type.Boolean(),
    StartedAt: text,
  }),
  NetworkSettings: Type.Optional(
    Type.Object({
      Networks: Type.Optional(
        Type.Union([
          Type.Record(
            Type.String(),
            Type.Object({ IPAddress: Type.Optional(text), GlobalIPv6Address: Type.Optional(text) }),
          ),
          Type.Null(),
        ]),
      ),
    }),
  ),
})
export type Container = Static<typeof Container>

const container = Compile(Container)
const list = Compile(Type.Array(Type.Object({ Id })))
const image = Compile(
  Type.Object({ Config: Type.Union([Type.Object({ Labels: Type.Optional(Labels) }), Type.Null()]) }),
)

const lied = (what: string) => new WritError('scheduler_lied', `not Docker's ${what}`)

export function inspected(answer: unknown): Container {
  if (!container.Check(answer)) throw lied('container')
  return answer
}

export function containersOf(answer: unknown): { Id: string }[] {
  if (!list.Check(answer)) throw lied('list of containers')
  return answer
}

export function labelsOfImage(answer: unknown): Readonly<Record<string, string>> {
  if (!image.Check(answer)) throw lied('image')
  return answer.Config?.Labels ?? {}
}
