import type { Secret } from '../../../vault/secret.ts'
import type { Signal } from '../../../vault/signal.ts'

/** A task id that has passed its scheduler's grammar: nothing else comes near a URL, a query or a log. */
export type TaskId = string & { readonly brand: 'TaskId' }

/** A task as its scheduler vouches for it. */
export interface Task {
  /** The scheduler's own spelling: a task has one id and so one use, however the caller spelt it. */
  readonly id: string
  /** What policies are chosen by. */
  readonly name: string
  /** What the name is unique in, where the scheduler has such a thing: a Mesos framework, a namespace. */
  readonly group?: string
  /** The image it runs, with its tag. */
  readonly image?: string
  /** When it started, by the scheduler's clock. */
  readonly startedAt: Date
  /** The scheduler's clock at the moment of its answer, if it says; the age of a task is measured by it, then by ours. */
  readonly now?: Date
  /** Where the task calls from, if the scheduler says: for a gate that compares it with the caller's address. */
  readonly addresses?: readonly string[]
  /** Ended ones and those that have not started are refusals of `lookup`. */
  readonly state: 'starting' | 'running'
  /** Further facts for the audit trail: names and ids, never values. */
  readonly meta: Readonly<Record<string, string>>
}

/** A process, and what it was in when it connected. */
export interface Peer {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** The 64 hexadecimal digits of its container's id; null outside of any container. */
  readonly container: string | null
}

/** Who asks, as far as the listener knows without taking anybody's word. */
export interface Caller {
  /** Address of the peer; empty on a Unix socket. */
  readonly address: string
  /** The process at the other end of a Unix socket, as the kernel says; absent there too when the kernel cannot say. */
  readonly peer?: Peer
  /** What it sent as `Authorization: Bearer`: the token of a service account, for one. */
  readonly proof?: Secret
}

/**
 * What vouches for tasks. Each waits for no longer than the signal lets it, believes no answer with a wrong status or shape, and
 * refuses with a `WritError`:
 *
 * - `task_id_invalid`: not an id of this scheduler
 * - `task_not_found`, `task_not_started`, `task_ended`: what it says of the task
 * - `task_foreign`: the caller is not that task, where the scheduler can tell
 * - `scheduler_unavailable`: no answer, so nothing is known
 * - `scheduler_lied`: an answer that contradicts itself, or is not one
 */
export interface Scheduler {
  /** As in requests and policies: `mesos`, `ecs` … */
  readonly name: string
  /**
   * The scheduler whose uses count for its tasks too, because both ask the same cluster. The attack: a task asks by one name and then by
   * the other, and gets a token each time.
   */
  readonly sharesUsesWith?: string
  /** Checks an id by its grammar. Throws `task_id_invalid`. */
  parseTaskId(text: string): TaskId
  /** Asks about a task. Whether it is too old is for the gate to say. */
  readonly lookup: (id: TaskId, caller: Caller, signal: Signal) => Promise<Task>
  close(): Promise<void>
}
