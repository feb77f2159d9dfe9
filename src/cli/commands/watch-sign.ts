import { WritError } from '../../protocol/errors.ts'
import { commitOfObject, sign } from '../../server/watch/signatures/sign.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { type WatchOptions, WatchServer } from '../watch/connect.ts'
import { describePlan, describeStanding } from '../watch/describe.ts'
import { digestOfShown, type PlanAnswer } from '../watch/plan-answer.ts'

export interface SignOptions extends WatchOptions {
  readonly clone: string
  readonly remote?: string
  readonly key?: string
  /** A line made on another machine. */
  readonly line?: string
}

/**
 * Signs what a commit would do, with the key that git is configured for, and publishes the signature where writ and the tools of
 * the predecessor look for it. What is signed is shown before.
 */
export async function signCommit(name: string, commit: string | undefined, options: SignOptions): Promise<number> {
  return await WatchServer.with(options, async server => {
    const query = commit ? `commit=${commit}` : undefined
    const before: PlanAnswer = await server.read(`${name}/plan`, query)
    const { require_signed_plan } = await server.read(`${name}/configure/options`)
    const digest = digestOfShown(before, name)
    if (commit && commit !== before.plan.commit) throw new WritError('plan_not_trusted', 'the plan of another commit')
    const subject = require_signed_plan ? digest : before.object
    // what is said about the commit is the server's word; that there is such a commit, and that a tag names it, is seen here
    const there = await commitOfObject(options.clone, before.object)
    if (there === undefined)
      throw new UsageError(
        `${before.object} is not in ${options.clone}`,
        'git fetch --tags, look at it, and sign again.',
      )
    if (there !== before.plan.commit)
      throw new WritError('plan_not_trusted', `${before.object} is not ${before.plan.commit}`)
    if (!options.json) process.stderr.write(describePlan(before))
    const signed = await sign({
      directory: options.clone,
      ...(options.remote ? { remote: options.remote } : {}),
      subject,
      key: options.key,
      line: options.line,
    })
    const { standing }: PlanAnswer = await server.read(`${name}/plan`, query)
    if (options.json) printJson({ subject, ...signed, standing })
    else progress(`${subject} signed: ${describeStanding(standing)}`)
    return EXIT.ok
  })
}
