import { WritError } from '../../protocol/errors.ts'
import type { Signal } from '../../vault/signal.ts'
import type { Caller, Scheduler, Task } from './schedulers/scheduler.ts'
import type { GateSettings } from './settings.ts'

/** No scheduler is waited for any longer: the signal is to end then. */
export const LOOKUP_MS = 10_000

/**
 * Asks the scheduler about a task and judges the answer. Throws what `Scheduler` says, `task_too_old` or `task_foreign`.
 */
export async function verifyTask(
  scheduler: Scheduler,
  text: string,
  caller: Caller,
  settings: GateSettings,
  signal: Signal,
): Promise<Task> {
  const id = scheduler.parseTaskId(text)
  const task = await lookup(scheduler, id, caller, signal)
  checkNames(task)
  checkAge(task, settings)
  if (settings.hostCheck && !calls(task, caller)) {
    throw new WritError('task_foreign', "it does not call from the task's address")
  }
  return task
}

async function lookup(
  scheduler: Scheduler,
  id: ReturnType<Scheduler['parseTaskId']>,
  caller: Caller,
  signal: Signal,
): Promise<Task> {
  let stop = () => {}
  try {
    return await new Promise((done, failed) => {
      // a scheduler that forgets its signal must not hold the caller either
      stop = () => failed(new WritError('scheduler_unavailable', 'no answer in time'))
      if (signal.aborted) return stop()
      signal.addEventListener('abort', stop, { once: true })
      scheduler.lookup(id, caller, signal).then(done, failed)
    })
  } catch (cause) {
    if (cause instanceof WritError) throw cause
    throw new WritError('scheduler_unavailable', undefined, { cause })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const LONGEST_NAME = 512

/**
 * A name chooses policies and is logged: control characters would forge lines, and nobody's honest name is a page long. What is for the
 * audit trail is looked at too, before anything is made that could not be put on it then.
 */
function checkNames({ id, name, group = 'none', image = 'none', meta }: Task): void {
  for (const text of [id, name, group, image, ...Object.values(meta)]) {
    if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(text) || text.length > LONGEST_NAME) {
      throw new WritError('scheduler_lied', 'a name or id of the task is none')
    }
  }
  // the test scheduler knows a task without an id, as vault-gatekeeper's does; without a name there is none anywhere
  if (name === '' || group === '' || image === '') throw new WritError('scheduler_lied', 'the task has no name')
}

/** By the scheduler's clock where it says what it shows, else by ours. */
function checkAge({ startedAt, now = new Date() }: Task, { taskLifeMs, clockSkewMs }: GateSettings): void {
  const age = now.getTime() - startedAt.getTime()
  if (!Number.isFinite(age)) throw new WritError('scheduler_lied', 'the task has no start time')
  if (age > taskLifeMs) throw new WritError('task_too_old')
  // The attack: a start in the future would keep a task young for as long
  if (age < -clockSkewMs) throw new WritError('scheduler_lied', 'the task starts in the future')
}

function calls({ addresses = [] }: Task, { address }: Caller): boolean {
  return address !== '' && addresses.some(one => plain(one) === plain(address))
}

/** An IPv4 address that came in over an IPv6 socket is the same one. */
function plain(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
}
