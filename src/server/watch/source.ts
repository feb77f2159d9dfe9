import { WritError } from '../../protocol/errors.ts'
import type { Plan, PlanVault } from '../../protocol/watch-plan.ts'
import type { JobSource, SourcedFiles, SourcedManifest, SourcedSecrets } from '../jobs/source.ts'
import type { Tx } from '../store/database.ts'
import type { Job } from '../store/jobs.ts'
import type { Outcome } from '../store/runs.ts'
import { findTaskOfJob, type WatchTask } from '../store/watch-tasks.ts'
import { findWatch, type Watch } from '../store/watches.ts'
import { CA_FILE, commitTar } from './commit-tar.ts'
import { endCommit } from './end.ts'
import { openWatched } from './open.ts'
import { optionsOf } from './options.ts'
import { judge } from './quorum.ts'
import type { Files } from './repository/files.ts'
import type { Repository } from './repository/repository.ts'
import { makeRequests, releaseToken } from './request-run.ts'
import { variableOf } from './requests.ts'
import type { AcceptedCommit } from './signatures/quorum.ts'
import type { Watching } from './watching.ts'

const KUBERNETES_CA_FILE = 'ca.crt'

/** What the job engine asks of the watch: files, environment and requests of a commit, and to hear how it ended. */
export class WatchSource implements JobSource {
  /** Over a restart or a short break; whatever takes longer is a pause between two runs (`end.ts`). */
  readonly patienceMs = 10_000
  readonly #watching: Watching

  constructor(watching: Watching) {
    this.#watching = watching
  }

  /** The files of the commit. The plan is the one that it was taken up with, whatever was configured since. */
  async prepare(job: Job, detail: unknown, signal: AbortSignal): Promise<SourcedFiles> {
    const { vault } = detail as Plan
    return await this.#judged(job, detail, signal, async (repository, watch, accepted) => {
      const files = await repository.filesOf(accepted, optionsOf(watch.options), signal)
      const env = environmentOf(vault, `/${CA_FILE}`)
      return { content: () => content(repository, files, vault), env, tenant: watch.id }
    })
  }

  /** The Job fetches the files itself, as it always did: the commit is named by its hash, so they can be no other ones. */
  async prepareKubernetes(job: Job, detail: unknown, signal: AbortSignal): Promise<SourcedManifest> {
    const { vault, kubernetes, requests } = detail as Plan
    if (!kubernetes) throw new WritError('internal', 'a job for Kubernetes without a template')
    return await this.#judged(job, detail, signal, async (_repository, _watch, { commit }) => ({
      template: kubernetes.template,
      commit,
      env: environmentOf(vault, `/run/writ/${KUBERNETES_CA_FILE}`),
      secretEnv: requests.map(({ name }) => variableOf(name)),
      files: vault?.cacert ? { [KUBERNETES_CA_FILE]: Buffer.from(vault.cacert) } : {},
    }))
  }

  /**
   * Judges the commit again: this may be another node and another day than when it was taken up, and nothing but a verdict opens the
   * files.
   */
  async #judged<T>(
    job: Job,
    detail: unknown,
    signal: AbortSignal,
    action: (repository: Repository, watch: Watch, accepted: AcceptedCommit) => Promise<T>,
  ): Promise<T> {
    const { watch, task } = await this.#find(job)
    const repository = await openWatched(this.#watching, watch, signal)
    try {
      await repository.fetch(await repository.tip(signal), signal)
      const { accepted } = await judge(this.#watching.engine, watch, repository, task, detail as Plan)
      if (accepted.commit !== task.commit) throw new WritError('commit_unknown', task.commit)
      return await action(repository, watch, accepted)
    } finally {
      await repository.close()
    }
  }

  async secrets(job: Job, detail: unknown, signal: AbortSignal): Promise<SourcedSecrets> {
    const { watch } = await this.#find(job)
    return await makeRequests(this.#watching.engine, watch, job, detail as Plan, signal)
  }

  async ended(tx: Tx, job: Job, outcome: Outcome): Promise<void> {
    await endCommit(tx, this.#watching.engine.node, job, outcome)
  }

  async release(job: Job): Promise<void> {
    await releaseToken(this.#watching.engine, job.id)
  }

  async #find(job: Job): Promise<{ watch: Watch; task: WatchTask }> {
    const { db } = this.#watching.engine
    const task = await findTaskOfJob(db, job.id)
    const watch = task && (await findWatch(db, task.watch))
    if (!watch) throw new WritError('watch_not_found', job.origin?.watch)
    return { watch, task }
  }
}

async function* content(repository: Repository, files: Files, vault: PlanVault | null): AsyncGenerator<Uint8Array> {
  try {
    yield* commitTar(repository.tarOf(files), vault?.cacert ?? '')
  } finally {
    repository.close()
  }
}

/** What the commands are told of the Vault (gitops.md §10). Without a CA there is no variable, and not one that names an empty file. */
function environmentOf(vault: PlanVault | null, caPath: string): string[] {
  if (!vault) return []
  return [
    `VAULT_ADDR=${vault.address}`,
    `VAULT_TLS_SERVER_NAME=${vault.tls_server_name}`,
    ...(vault.cacert === '' ? [] : [`VAULT_CACERT=${caPath}`]),
  ]
}
