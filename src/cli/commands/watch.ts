import { readFile } from 'node:fs/promises'
import { each } from '../each.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, printTable, progress } from '../print.ts'
import { printableLines } from '../printable.ts'
import { type WatchOptions, WatchServer } from '../watch/connect.ts'
import { describePlan, describeStanding } from '../watch/describe.ts'
import { digestOfShown, type PlanAnswer } from '../watch/plan-answer.ts'

export interface AddOptions extends WatchOptions {
  readonly repo: string
  readonly branch?: string
  readonly image?: string
  readonly kubernetesJob?: string
  readonly command: readonly string[]
  readonly signatures?: string
  readonly poll?: string
  readonly initial?: string
  readonly every?: boolean
  readonly unpinned?: boolean
  readonly signedPlan?: boolean
  readonly submodules?: string
  readonly lfs?: string
  readonly submoduleHost: readonly string[]
  /** `NAME=file` */
  readonly key: readonly string[]
}

/** Makes a watch and configures it: keys and options first, so that nothing runs before they are there. */
export async function add(name: string, options: AddOptions): Promise<number> {
  if ((options.image === undefined) === (options.kubernetesJob === undefined))
    throw new UsageError('one of --image and --kubernetes-job is needed', 'writ watch add --help shows both.')
  const template = options.kubernetesJob === undefined ? null : await readFile(options.kubernetesJob, 'utf8')
  return await WatchServer.with(options, async server => {
    if (!(await server.read(`sys/mounts/${name}`).catch(() => null)))
      await server.write(`sys/mounts/${name}`, { type: 'flant_gitops' })
    for (const pair of options.key) {
      const [person = '', file = ''] = pair.split(/=(.*)/s, 2)
      if (!person || !file) throw new UsageError('--key is not NAME=FILE', 'Write it as --key ann=ann.asc.')
      const public_key = await readFile(file, 'utf8')
      await server.write(`${name}/configure/trusted_pgp_public_key`, { name: person, public_key })
    }
    await server.write(`${name}/configure/options`, {
      ...(options.every ? { mode: 'every' } : {}),
      ...(options.unpinned ? { unpinned_image: true } : {}),
      ...(options.signedPlan ? { require_signed_plan: true } : {}),
      ...(options.lfs ? { lfs: options.lfs } : {}),
      ...(options.submodules ? { submodules: options.submodules } : {}),
      ...(options.submoduleHost.length > 0 ? { submodule_hosts: options.submoduleHost } : {}),
    })
    const { image: docker_image, command: commands } = options
    const repository = {
      git_repo_url: options.repo,
      git_branch_name: options.branch,
      required_number_of_verified_signatures_on_commit: options.signatures,
      git_poll_period: options.poll,
      initial_last_successful_commit: options.initial,
    }
    if (template !== null) {
      await server.write(`${name}/configure/kubernetes_job`, { template })
      await server.write(`${name}/configure/git_repository`, repository)
    } else {
      // one of before would take the place of the image
      await server.remove(`${name}/configure/kubernetes_job`)
      await server.write(`${name}/configure`, { ...repository, docker_image, commands })
    }
    return await show(server, name, options)
  })
}

/** The watches that the caller may read. */
export async function ls(options: WatchOptions): Promise<number> {
  return await WatchServer.with(options, async server => {
    const names = Object.keys((await server.read('sys/mounts')) ?? {}).map(mount => mount.replace(/\/$/, ''))
    const watches = await Promise.all(names.map(name => server.read(`${name}/status`)))
    if (options.json) printJson(watches)
    else {
      const rows = watches.map(({ name, state, branch, last_successful_commit, reason }) => {
        return [name, state, branch, short(last_successful_commit), process.stdout.isTTY ? reason.slice(0, 60) : reason]
      })
      printTable(rows, ['NAME', 'STATE', 'BRANCH', 'DONE', 'REASON'])
    }
    return EXIT.ok
  })
}

/** How a watch stands, and whose signature its next commit waits for. Exit code 1 while it needs somebody. */
export async function status(name: string, options: WatchOptions): Promise<number> {
  return await WatchServer.with(options, async server => await show(server, name, options))
}

async function show(server: WatchServer, name: string, options: WatchOptions): Promise<number> {
  const state = await server.read(`${name}/status`)
  // asked of the repository itself; a watch whose repository is away has a state all the same
  const plan: PlanAnswer | null = state.configured ? await server.read(`${name}/plan`).catch(() => null) : null
  if (options.json) printJson({ ...state, standing: plan?.standing ?? null })
  else {
    const lines = [
      ['watch', name],
      ['state', state.reason ? `${state.state}: ${state.reason}` : state.state],
      ['repository', `${state.repository} ${state.branch}`],
      ['done', state.last_successful_commit || '-'],
      ...(state.failed_commit ? [['failed', state.failed_commit]] : []),
      ['next look', state.configured ? state.next_poll_at : '-'],
      ...(state.newest_task ? [['newest task', `${state.newest_task.uuid} ${state.newest_task_status}`]] : []),
      ...(state.newest_task?.job_id ? [['job', state.newest_task.job_id]] : []),
      ...(plan
        ? [
            ['commit', plan.plan.commit],
            ['signatures', describeStanding(plan.standing)],
          ]
        : []),
    ]
    printTable(lines)
    const next = NEXT[state.state as keyof typeof NEXT]
    if (next) progress(next.replace('NAME', name))
  }
  return ['stopped', 'given_up'].includes(state.state) ? EXIT.failed : EXIT.ok
}

const NEXT = {
  stopped: 'if the branch was rewritten on purpose: writ watch accept NAME',
  given_up: 'to run it once more: writ watch retry NAME',
  unconfigured: 'writ watch add NAME --repo URL --image NAME@sha256:… --command …',
}

/** What a commit would do, before anything runs. */
export async function plan(name: string, commit: string | undefined, options: WatchOptions): Promise<number> {
  return await WatchServer.with(options, async server => {
    const answer = await server.read(`${name}/plan`, commit ? `commit=${commit}` : undefined)
    digestOfShown(answer, name)
    if (options.json) printJson(answer)
    else process.stdout.write(describePlan(answer))
    return EXIT.ok
  })
}

/** What the commands of a task have said, masked: of the newest that ran, or of the one named. */
export async function log(name: string, task: string | undefined, options: WatchOptions): Promise<number> {
  return await WatchServer.with(options, async server => {
    const wanted = task ?? (await server.read(`${name}/status`)).newest_task?.uuid
    if (!wanted) throw new UsageError(`${name} has run nothing yet`, `writ watch status ${name}`)
    const { result } = await server.read(`${name}/task/${encodeURIComponent(wanted)}/log`, `limit=${MOST_CHARACTERS}`)
    if (options.json) printJson({ task: wanted, log: result })
    else process.stdout.write(process.stdout.isTTY ? printableLines(result) : result)
    return EXIT.ok
  })
}

/** More than a server keeps of a job, unless it was told to keep more. */
const MOST_CHARACTERS = 100_000_000

/** Accepts a commit that is no descendant of the last one. */
export async function accept(
  name: string,
  commit: string | undefined,
  options: WatchOptions & { readonly done?: boolean },
): Promise<number> {
  return await WatchServer.with(options, async server => {
    const answer = await server.write(`${name}/accept`, { commit: commit ?? '', run: !options.done })
    if (options.json) printJson(answer)
    else progress(`${answer.commit} accepted${options.done ? ' as done' : '; it runs next'}`)
    return EXIT.ok
  })
}

/** Runs a commit that was given up once more. */
export async function retry(name: string, commit: string | undefined, options: WatchOptions): Promise<number> {
  return await WatchServer.with(options, async server => {
    await server.write(`${name}/retry`, { commit: commit ?? '' })
    if (options.json) printJson({ name })
    else progress(`${name} is looked at now`)
    return EXIT.ok
  })
}

/** Removes a watch with everything that is kept of it. */
export async function rm(names: readonly string[], options: WatchOptions): Promise<number> {
  return await WatchServer.with(options, async server => {
    return await each(names, async name => {
      await server.remove(`sys/mounts/${name}`)
      if (options.json) printJson({ name })
      else progress(`${name} removed`)
    })
  })
}

const short = (commit: string): string => commit.slice(0, 12)
