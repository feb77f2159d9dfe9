import { newJobId } from '../../protocol/job-id.ts'
import { digestOf, type Plan } from '../../protocol/watch-plan.ts'
import { record } from '../audit/audit.ts'
import { type Order, QUEUES_OF_WATCHES } from '../jobs/order.ts'
import { seal } from '../jobs/sealed.ts'
import { insertSourcedJob, type SourcedOrder } from '../jobs/sourced.ts'
import { readTimeLimits, type TimeBounds } from '../jobs/time-limits.ts'
import { findFailure } from '../store/watch-failures.ts'
import { insertTask } from '../store/watch-tasks.ts'
import { endLook, isAskedFor, lockWatch, type Watch } from '../store/watches.ts'
import type { Candidate, Verdict } from './quorum.ts'
import { DEFAULT_TASKS } from './tasks.ts'
import type { Watching } from './watching.ts'

/** Where the files of the commit are (gitops.md §10). */
const COMMIT_DIRECTORY = '/git'

/** Each command in a shell of its own, as the steps of an image build were; the first that fails is the last, and its code the job's. */
const RUN_EACH = 'for command in "$@"; do /bin/sh -c "$command" || exit $?; done'

function orderOf(watch: Pick<Watch, 'name' | 'task_configuration'>, plan: Plan, bounds: TimeBounds): Order {
  return {
    qname: queueOf(watch.name),
    image: plan.image,
    // what is pinned cannot be another one; what is not is what the registry has now
    pullPolicy: plan.image.includes('@') ? 'IfNotPresent' : 'Always',
    registryAuth: '',
    content: '',
    entrypoint: ['/bin/sh', '-c', RUN_EACH, 'writ'],
    run: plan.commands,
    workingDirectory: COMMIT_DIRECTORY,
    envVars: [],
    tty: false,
    secretRefs: [],
    secretFileType: 'yaml',
    continueOnWarnings: false,
    vaultToken: { kind: 'none' },
    limits: {},
    // a commit waits for the one before it as long as that takes
    timeLimits: { ...readTimeLimits({ timeout: timeoutOf(watch, bounds) }, bounds), queue: null },
  }
}

/** `task_timeout`, within what the administrator allows at all. */
function timeoutOf(watch: Pick<Watch, 'task_configuration'>, { timeoutMax }: TimeBounds): number {
  const { task_timeout } = watch.task_configuration ?? DEFAULT_TASKS
  return timeoutMax > 0 ? Math.min(task_timeout, timeoutMax) : task_timeout
}

/** The queue of a watch: its commits run one after another. */
export function queueOf(name: string): string {
  return `${QUEUES_OF_WATCHES}${name.toLowerCase()}`
}

/**
 * Takes a commit up: the marker *started*, the job and the audit entry are one transaction, so that a crash leaves all of them or
 * none. Null: the watch was changed or taken over meanwhile, and nothing was started.
 */
export async function startCommit(
  { engine }: Watching,
  watch: Watch,
  {
    candidate,
    plan,
    verdict,
    times,
  }: {
    candidate: Candidate
    plan: Plan
    verdict: Verdict
    times: { polled_at: Date; next_poll_at: Date }
  },
): Promise<{ job: string; task: string } | null> {
  // the proof and not the wish says which commit runs
  const { commit } = verdict.accepted
  const order = orderOf(watch, plan, engine.settings)
  const [sealedOrder = ''] = await seal(engine, [JSON.stringify({ order, detail: plan } satisfies SourcedOrder)])
  const job = newJobId(new Date())
  return await engine.db.transaction().execute(async tx => {
    const now = await lockWatch(tx, watch.name)
    if (now?.node !== engine.node || now.lease_until === null) return null
    // this node has it again, by another look: whatever was changed in between, that one has seen and this one has not
    if (!isAskedFor(now) && now.next_poll_at.getTime() !== watch.next_poll_at.getTime()) return null
    // something that the verdict is built on was changed while it was made: what was judged may not be what would run
    if (isAskedFor(now)) {
      await endLook(tx, watch, { ...times, seen: '' })
      return null
    }
    const { signers } = verdict
    const attempt = ((await findFailure(tx, watch.name, commit))?.failures ?? 0) + 1
    const planDigest = digestOf(plan)
    const { object } = candidate
    const task = await insertTask(tx, { watch: watch.name, commit, object, attempt, jobId: job, signers, planDigest })
    await insertSourcedJob(tx, {
      id: job,
      qname: order.qname,
      image: order.image,
      outputLimit: engine.settings.outputLimit,
      timeLimits: order.timeLimits,
      sealedOrder,
      origin: { watch: watch.name, task, commit, signers },
      kubernetesNamespace: plan.kubernetes?.namespace,
    })
    await record(tx, {
      action: 'watch.commit_started',
      job,
      actor: engine.node,
      detail: { watch: watch.name, task, commit, attempt, signers, plan: planDigest, image: plan.image },
    })
    const looked = { ...times, tip: candidate.object, seen: '' }
    await endLook(tx, watch, { ...looked, state: 'watching', reason_code: '', reason: '' })
    return { job, task }
  })
}
