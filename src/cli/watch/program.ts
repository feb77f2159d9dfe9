import type { Command } from 'commander'
import { collect, exit, server } from '../options.ts'

/** `writ watch …`. Each command imports its code when it is called. */
export function watchCommands(writ: Command): void {
  const watch = writ.command('watch').description('branches whose signed commits become jobs (docs/watch.md)')
  const load = async () => await import('../commands/watch.ts')

  server(watch.command('add').description('make a watch, or configure one anew').argument('<name>'))
    .requiredOption('--repo <url>', 'repository: https://…, ssh://… or user@host:path')
    .option('--branch <name>', 'branch; main by default')
    .option('--image <ref>', 'image that the commands run in, with its digest')
    .option('--command <line>', 'what runs for each commit; repeat it for further ones', collect, [])
    .option('--kubernetes-job <file>', 'template of the Job of Kubernetes that runs instead of image and commands')
    .option('--signatures <n>', 'how many trusted people must have signed a commit')
    .option('--key <NAME=file>', 'public key of somebody whose signature counts; may be repeated', collect, [])
    .option('--poll <duration>', 'shortest time between two looks; 5m by default')
    .option('--initial <commit>', 'counts as done: the first commit to run is a later one')
    .option('--every', 'run each commit in order, not only the newest')
    .option('--signed-plan', 'what is to be signed is the digest of the plan, not the commit')
    .option('--unpinned', 'the image may be a name without a digest')
    .option('--submodules <mode>', 'what becomes of submodules: refuse (default), empty or fetch')
    .option('--lfs <mode>', 'what files of git-lfs are: pointers (default) or fetch')
    .option('--submodule-host <host>', 'where submodules may be besides the server; may be repeated', collect, [])
    .action(exit(async (name, options) => await (await load()).add(name, options)))
  server(watch.command('ls').description('the watches that you may see')).action(
    exit(async options => await (await load()).ls(options)),
  )
  server(
    watch.command('status').description('how a watch stands, and whose signature it waits for').argument('<name>'),
  ).action(exit(async (name, options) => await (await load()).status(name, options)))
  server(
    watch
      .command('plan')
      .description('what a commit would do, before anything runs')
      .argument('<name>')
      .argument('[commit]', 'full id; the next one to run by default'),
  ).action(exit(async (name, commit, options) => await (await load()).plan(name, commit, options)))
  server(
    watch
      .command('sign')
      .description('sign a commit, or its plan, with the key that git is configured for, and publish the signature')
      .argument('<name>')
      .argument('[commit]', 'full id; the next one to run by default'),
  )
    .option('--clone <dir>', 'your clone of the repository', '.')
    .option('--remote <name>', 'remote to publish to; origin by default')
    .option('--key <id>', "instead of git's user.signingkey")
    .option('--line <base64>', 'a signature that was made on another machine')
    .action(
      exit(async (name, commit, options) => {
        return await (await import('../commands/watch-sign.ts')).signCommit(name, commit, options)
      }),
    )
  server(
    watch
      .command('log')
      .description('what the commands of a task have said')
      .argument('<name>')
      .argument('[task]', 'the newest by default'),
  ).action(exit(async (name, task, options) => await (await load()).log(name, task, options)))
  server(
    watch
      .command('accept')
      .description('accept a commit that is no descendant of the last one: of a branch that was rewritten on purpose')
      .argument('<name>')
      .argument('[commit]', 'full id; the tip of the branch by default'),
  )
    .option('--done', 'it counts as done and does not run')
    .action(exit(async (name, commit, options) => await (await load()).accept(name, commit, options)))
  server(
    watch
      .command('retry')
      .description('run a commit that was given up once more')
      .argument('<name>')
      .argument('[commit]', 'full id; the one that `status` names by default'),
  ).action(exit(async (name, commit, options) => await (await load()).retry(name, commit, options)))
  server(watch.command('rm').description('remove watches').argument('<name...>')).action(
    exit(async (names, options) => await (await load()).rm(names, options)),
  )
}
