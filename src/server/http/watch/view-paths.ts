import { findFailure } from '../../store/watch-failures.ts'
import { listKeys } from '../../store/watch-keys.ts'
import { listTasks } from '../../store/watch-tasks.ts'
import { acceptCommit, retryCommit } from '../../watch/decide.ts'
import { optionsOf } from '../../watch/options.ts'
import { requiredBy } from '../../watch/quorum.ts'
import { queueOf } from '../../watch/start.ts'
import { statusOf } from '../../watch/tasks.ts'
import { planView } from '../../watch/view.ts'
import type { Path } from './path.ts'

/** What flant_gitops has no paths for: how a watch stands, what a commit would do, and what a person decides. */
export const VIEWS: readonly Path[] = [
  {
    pattern: 'status',
    synopsis: 'How the watch stands.',
    description: 'From what is on record; nothing is asked of the repository.',
    read: async ({ engine, watch }) => {
      const [newest] = await listTasks(engine.db, watch.name, 1)
      const failure = await findFailure(engine.db, watch.name, watch.failed_commit)
      return {
        data: {
          name: watch.name,
          configured: watch.configuration !== null,
          repository: watch.configuration?.git_repo_url ?? '',
          branch: watch.configuration?.git_branch_name ?? '',
          state: watch.configuration === null ? 'unconfigured' : watch.state,
          reason_code: watch.reason_code,
          reason: watch.reason,
          required: requiredBy(watch),
          people: (await listKeys(engine.db, watch.name)).map(key => key.name),
          mode: optionsOf(watch.options).mode,
          queue: queueOf(watch.name),
          last_successful_commit: watch.accepted_commit,
          tip: watch.tip,
          failed_commit: watch.failed_commit,
          failures: failure?.failures ?? 0,
          retry_at: failure?.retry_at?.toISOString() ?? '',
          polled_at: watch.polled_at?.toISOString() ?? '',
          next_poll_at: watch.next_poll_at.toISOString(),
          has_access: watch.access !== null,
          newest_task: newest ? { uuid: newest.id, commit: newest.commit, job_id: newest.job_id ?? '' } : null,
          newest_task_status: newest ? statusOf({ task: newest, job: undefined }) : '',
        },
      }
    },
  },
  {
    pattern: 'plan',
    synopsis: 'What a commit would do, before anything runs.',
    description:
      'Image, commands, requests, changed files, who has signed and who is missing, and the digest of the plan.',
    fields: { commit: 'Full id of a commit of the branch; the next one to run by default, or else the tip.' },
    read: async ({ watch, fields, ...watching }) => {
      return { data: { ...(await planView(watching, watch, fields.text('commit'))) } }
    },
  },
  {
    pattern: 'accept',
    synopsis: 'Accepts a commit that does not descend from the last one that was done.',
    description:
      'For a branch that was rewritten on purpose, or another repository. The commit needs its signatures as any other. It is the ' +
      'next to run; with run=false it counts as done.',
    fields: { commit: 'Full id of a commit of the branch; its tip by default.', run: 'true by default.' },
    write: async ({ caller, watch, fields, ...watching }) => {
      const wanted = { commit: fields.text('commit'), run: fields.flag('run', true) }
      const { accepted, signers } = await acceptCommit(watching, caller, watch, wanted)
      return { data: { commit: accepted.commit, signers } }
    },
  },
  {
    pattern: 'retry',
    synopsis: 'Runs a commit that was given up once more, and looks at once.',
    description: 'Its attempts are counted anew.',
    fields: { commit: 'Full id; the one that the status names by default.' },
    write: async ({ engine, caller, watch, fields }) => {
      await retryCommit(engine, caller, watch, fields.text('commit'))
      return null
    },
  },
]
