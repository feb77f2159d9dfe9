import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { WritError } from '../../../../protocol/errors.ts'

// What is used of Mesos' answers, and nothing more is looked at. Sources: Mesos' `common/http.cpp` and `master/http.cpp`.

const text = Type.String({ maxLength: 1_024 })

const MesosTask = Type.Object({
  id: text,
  name: text,
  framework_id: text,
  slave_id: text,
  state: text,
  statuses: Type.Array(Type.Object({ state: text, timestamp: Type.Number() })),
  container: Type.Optional(Type.Object({ docker: Type.Optional(Type.Object({ image: Type.Optional(text) })) })),
})
export type MesosTask = Static<typeof MesosTask>

/** Checked by itself, because the other tasks of a cluster need not be as ours has to be. */
const Named = Type.Object({ id: Type.String() })

const framework = { id: text, name: text }
const Agent = Type.Object({ id: text, pid: text })

const tasks = Compile(Type.Object({ tasks: Type.Array(Named) }))
const summary = Compile(Type.Object({ frameworks: Type.Array(Type.Object(framework)), slaves: Type.Array(Agent) }))
const state = Compile(
  Type.Object({
    pid: text,
    leader: Type.Optional(text),
    frameworks: Type.Array(
      Type.Object({
        ...framework,
        tasks: Type.Array(Named),
        completed_tasks: Type.Optional(Type.Array(Named)),
        unreachable_tasks: Type.Optional(Type.Array(Named)),
      }),
    ),
    slaves: Type.Optional(Type.Array(Agent)),
  }),
)
const task = Compile(MesosTask)

interface Checker<T> {
  Check(value: unknown): value is T
}

function believed<T>(checker: Checker<T>, value: unknown, what: string): T {
  if (checker.Check(value)) return value
  throw new WritError('scheduler_lied', `not Mesos' ${what}`)
}

/** The tasks of this id in an answer of `/tasks`; undefined when the master does not know how to look for one (before Mesos 1.3). */
export function tasksNamed(answer: unknown, id: string): MesosTask[] | undefined {
  const all = believed(tasks, answer, 'tasks').tasks
  if (all.some(one => one.id !== id)) return undefined
  return all.map(one => believed(task, one, 'task'))
}

export interface Cluster {
  /** Of frameworks. */
  readonly names: ReadonlyMap<string, string>
  /** `slave(1)@10.0.0.5:5051` of agents. */
  readonly agents: ReadonlyMap<string, string>
}

/** Reads an answer of `/state-summary`: who there is, without their tasks. */
export function readSummary(answer: unknown): Cluster {
  const { frameworks, slaves } = believed(summary, answer, 'state-summary')
  return clusterOf(frameworks, slaves)
}

/** Reads an answer of `/state`; undefined when the master does not lead. */
export function readState(answer: unknown, id: string): { tasks: MesosTask[]; cluster: Cluster } | undefined {
  const { pid, leader, frameworks, slaves = [] } = believed(state, answer, 'state')
  // two empty ones are equal too: a master that knows no leader does not lead
  if (!pid || pid !== leader) return undefined
  const found = frameworks.flatMap(one =>
    [one.tasks, one.completed_tasks ?? [], one.unreachable_tasks ?? []]
      .flat()
      .filter(candidate => candidate.id === id)
      // older masters leave the framework out of a task that they list inside of it
      .map(candidate => believed(task, { ...candidate, framework_id: one.id }, 'task')),
  )
  return { tasks: found, cluster: clusterOf(frameworks, slaves) }
}

function clusterOf(frameworks: { id: string; name: string }[], agents: { id: string; pid: string }[]): Cluster {
  return {
    names: new Map(frameworks.map(({ id, name }) => [id, name])),
    agents: new Map(agents.map(({ id, pid }) => [id, pid])),
  }
}
