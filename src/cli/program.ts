import { Argument, Command, Option } from 'commander'
import { SHELLS } from './completion/shells.ts'
import { PROFILES } from './doctor/check.ts'
import { collect, exit, helpIsNext, number, sayNoEmptyDefaults, sayProblemsAs, whole } from './options.ts'
import { version } from './version.ts'
import { watchCommands } from './watch/program.ts'

/** All commands. Each imports its code when it is called: the start of the command stays short. */
export function program(): Command {
  const writ = new Command('writ')
    .description(
      'Sealed orders for your infrastructure: run the right container once, with exactly the secrets it needs.',
    )
    .version(version(), '-V, --version', 'print the version')
    .enablePositionalOptions()
  sayProblemsAs(writ)
  sayNoEmptyDefaults(writ)

  writ
    .command('dev')
    .description('everything in one process on embedded parts, to try writ and to develop with it')
    .option('--json', 'print one line with every address, role id and token when all is ready')
    .option('--data <dir>', 'keep the database in this folder')
    .addOption(port('port of the server', 3232))
    .option('--quiet', 'no log of the server')
    .action(async options => await (await import('./commands/dev.ts')).dev(options))

  writ
    .command('server')
    .description('a server, configured by environment (docs/configuration.md)')
    .action(async () => await (await import('./commands/server.ts')).server())

  writ
    .command('gate')
    .description('the gate alone, in the place of vault-gatekeeper: its flags and environment (docs/gate.md)')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[flags...]', 'flags of vault-gatekeeper; `writ gate -help` lists them')
    .action(async flags => await (await import('./commands/gate.ts')).gate(flags))

  writ
    .command('dev-vault')
    .description('the embedded Vault alone: in memory, for trying and testing only')
    .option('--listen <host:port>', 'address to listen on; port 0 takes a free one', '127.0.0.1:8200')
    .option('--allow-remote', 'let --listen name an address that other machines reach')
    .option('--root-token <token>', 'the root token (default: a random one)')
    .option('--seed <file>', 'YAML with what to begin with: mounts, policies, secrets, roles (docs/dev-vault.md)')
    .option('--tls', 'speak TLS, with a certificate made by openssl for this run')
    .option('--tls-cert <file>', 'speak TLS with this certificate (PEM)')
    .option('--tls-key <file>', 'the key of --tls-cert (PEM)')
    .option('--json', 'print one line when ready')
    .action(async options => await (await import('./commands/dev-vault.ts')).devVault(options))

  job(writ.command('run').description('submit a job sealed, follow it, exit with its code')).action(
    exit(async (command, options) => await (await import('./commands/run.ts')).run(command, options)),
  )
  job(writ.command('submit').description('submit a job sealed, print its id')).action(
    exit(async (command, options) => await (await import('./commands/run.ts')).submit(command, options)),
  )
  remote(writ.command('logs').description('the output of a job').argument('<id>'))
    .option('-f, --follow', 'until its end, then exit with its code')
    .option('--offset <bytes>', 'from this byte on', whole(0))
    .option('--identity <file>', 'age identities that open an output which is encrypted')
    .action(exit(async (id, options) => await (await import('./commands/logs.ts')).logs(id, options)))
  remote(writ.command('get').description('one job').argument('<id>')).action(
    exit(async (id, options) => await (await import('./commands/jobs.ts')).get(id, options)),
  )
  remote(writ.command('ls').description('the newest jobs that you may see'))
    .option('--status <states>', 'only jobs in this state, or in one of several with commas between them')
    .option('--queue <name>', "only jobs of this queue; '' is the one without a name")
    .addOption(new Option('--qname <name>', 'as --queue').hideHelp())
    .option('--since <time>', 'only jobs submitted since then: 2h for two hours ago, or a date and time')
    .option('--limit <n>', 'at most so many jobs', whole(1), 20)
    .option('--cursor <text>', 'go on where a list ended: `next` of its JSON')
    .option('--skip <n>', 'leave out the newest n', whole(0))
    .action(exit(async options => await (await import('./commands/ls.ts')).ls(options)))
  remote(writ.command('queues').description('the queues that you may read, and how long they are')).action(
    exit(async options => await (await import('./commands/jobs.ts')).queues(options)),
  )
  remote(writ.command('kill').description('stop jobs').argument('<id...>')).action(
    exit(async (ids, options) => await (await import('./commands/jobs.ts')).kill(ids, options)),
  )
  remote(writ.command('rm').description('remove ended jobs, cancel waiting ones').argument('<id...>')).action(
    exit(async (ids, options) => await (await import('./commands/jobs.ts')).rm(ids, options)),
  )

  watchCommands(writ)

  const audit = writ.command('audit').description('the audit trail, read from the database (DATABASE_URL)')
  audit
    .command('verify')
    .description('recompute its hash chain')
    .option('--json', 'print JSON')
    .action(exit(async options => await (await import('./commands/audit.ts')).auditVerify(options)))
  audit
    .command('show')
    .description('what it says of a job')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(exit(async (id, options) => await (await import('./commands/audit.ts')).auditShow(id, options)))

  atGate(
    writ
      .command('token')
      .description('the token of a task from the gate, opened; the id can be in MESOS_TASK_ID or mesos_task_id')
      .argument('[task id]'),
  )
    .option('--scheduler <name>', 'the scheduler that knows the task (default: the first of the gate)')
    .option('--role <name>', 'another role than the first that the policy of the task lists')
    .option('--proof-file <file>', 'a token of the service account, for the scheduler kubernetes')
    .action(exit(async (id, options) => await (await import('./commands/gate-client.ts')).token(id, options)))
  atGate(writ.command('status').description('is the gate sealed, and why; exits with 1 while it is')).action(
    exit(async options => await (await import('./commands/gate-client.ts')).status(options)),
  )
  atGate(
    writ
      .command('unseal')
      .description('give the gate a Vault identity')
      .argument(
        '<method>',
        'token, wrapped-token, approle, userpass, github, cubby, app-id, aws, kubernetes, jwt or cert',
      )
      .argument('[NAME=value...]', 'its fields (docs/gate.md); NAME=- reads standard input'),
  ).action(
    exit(
      async (method, fields, options) =>
        await (await import('./commands/gate-client.ts')).unseal(method, fields, options),
    ),
  )
  atGate(writ.command('seal').description('take its Vault identity from the gate')).action(
    exit(async options => await (await import('./commands/gate-client.ts')).seal(options)),
  )
  const policy = writ.command('policy').description('policies of the gate')
  atGate(policy.command('reload').description('have the gate read its policies again')).action(
    exit(async options => await (await import('./commands/gate-client.ts')).reload(options)),
  )
  policy
    .command('check')
    .description('is this document of policies good, and what would a task of this name get')
    .argument('<file>')
    .argument('[task name]')
    .option('--scheduler <name>', 'of the task, for policies with roles', 'mesos')
    .option('--group <name>', 'its framework or namespace')
    .option('--json', 'print JSON')
    .action(
      exit(
        async (file, name, options) =>
          await (await import('./commands/gate-client.ts')).policyCheck(file, name, options),
      ),
    )

  writ
    .command('vault-setup')
    .description('print what writ needs in Vault, as vault commands')
    .option('--apply', 'make it, with VAULT_ADDR and VAULT_TOKEN')
    .option('--job-role <name>', 'name of the AppRole of jobs, and of its key')
    .option('--job-secret <path>', 'a path that jobs may read, as in a policy; may be repeated', collect, [])
    .option('--server-only', "leave the role of jobs as it is, with its key and policies: those of GoStint's will do")
    .option(
      '--database-creds <path>',
      'where the server, or the gate, reads the user for its database: database/creds/writ',
    )
    .option('--gate [path]', 'only what a gate needs; its policies are at secret/gatekeeper or at this path')
    .option('--json', 'print JSON')
    .action(exit(async options => await (await import('./commands/vault-setup.ts')).vaultSetup(options)))
  writ
    .command('doctor')
    .description('what is missing on this machine, and the command that mends it')
    .addOption(new Option('--for <what>', 'what the machine is to be good for').choices(PROFILES).default('run'))
    .option('--mend', 'install and start what is missing (Debian and Ubuntu, as root)')
    .option('--json', 'print JSON')
    .action(
      exit(async ({ for: profile, mend = false, json = false }) => {
        const { runDoctor } = await import('./doctor/doctor.ts')
        return await runDoctor({ profile, mend, json, out: process.stdout, err: process.stderr })
      }),
    )
  writ
    .command('completion')
    .description('print the script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'shell').choices(SHELLS))
    .addHelpText('after', COMPLETION_HELP)
    .action(async shell => (await import('./commands/completion.ts')).completion(shell, program()))
  helpIsNext(writ)
  return writ
}

function atGate(command: Command): Command {
  return command
    .option('--gate <url>', 'the gate, or the path of its socket (default: GATEKEEPER_ADDR or http://localhost:9201)')
    .option('--json', 'print JSON')
}

const COMPLETION_HELP = `
bash: add to ~/.bashrc    eval "$(writ completion bash)"
zsh:  add to ~/.zshrc     eval "$(writ completion zsh)"
fish: run once            mkdir -p ~/.config/fish/completions; writ completion fish > ~/.config/fish/completions/writ.fish`

function remote(command: Command): Command {
  return command.option('--server <url>', 'the server or a courier (default: WRIT_ADDR)').option('--json', 'print JSON')
}

function job(command: Command): Command {
  return remote(command)
    .option('--image <ref>', 'container image')
    .option('--content <folder|file>', 'folder, or .tar.gz, to lay over the root of the container')
    .option('--secret-ref <NAME@path.key>', 'a secret from Vault; may be repeated', collect, [])
    .option('--env <NAME=value>', 'environment, not for secrets; may be repeated', collect, [])
    .option('--queue <name>', 'jobs of a queue run one after another (default: WRIT_QUEUE or none)')
    .option('--entrypoint <part>', "replaces the image's entry point; repeat it for further parts", collect, [])
    .option('--workdir <dir>', 'working directory')
    .addOption(new Option('--pull <policy>', 'when to pull the image').choices(['IfNotPresent', 'Always', 'Never']))
    .option('--registry-auth <path>', 'path in Vault of username and password for the registry of the image')
    .addOption(new Option('--secret-file-type <type>', 'form of the file of secrets').choices(['yaml', 'json']))
    .addOption(
      new Option('--vault-token <which>', "Vault token of the container: the job's own, none, or a child").choices([
        'inherit',
        'none',
        'child',
      ]),
    )
    .option('--timeout <duration>', 'how long it may run, such as 30m')
    .option('--queue-timeout <duration>', 'how long it may wait for its start')
    .option('--ttl <duration>', 'how long its record is kept after the end')
    .option('--vault-token-policy <name>', 'policy of a child token; may be repeated', collect, [])
    .option('--cont-on-warnings', 'go on when Vault answers a secret with warnings')
    .option('--tty', 'allocate a terminal')
    .option('--memory <bytes>', 'memory, also as 512m or 2g')
    .option('--cpus <n>', 'processors, 0.5 for half of one', number)
    .option('--pids <n>', 'processes and threads', whole(1))
    .option('--network <name>', 'none, bridge or a network of the engine')
    .option('--read-only', 'no writing but to /tmp, which is in memory')
    .option('--output-limit <bytes>', 'keep so much of the output, from its beginning and its end', whole(1))
    .option(
      '--result-key <age1...|auto|transit:name>',
      'encrypt the output to these age recipients, by commas; auto: to a key of its own; transit: to one that this key of Vault keeps',
    )
    .option(
      '--identity <file>',
      'age identities that open the output; with --result-key auto, the key is written there',
    )
    .option(
      '--after <authority>',
      'run only after the job whose `authority_sha256` this is: of what `submit --json` printed',
    )
    .option('--idempotency-key <text>', 'a second submission with this key is refused and does not run')
    .option('--direct', 'do not seal: for a connection that is trusted from end to end')
    .option('--job-role <name>', "the server's job role (default: WRIT_JOB_ROLE or writ-job)")
    .argument('[command...]', 'the command, after --')
    .passThroughOptions()
}

function port(description: string, fallback: number): Option {
  return new Option('--port <port>', `${description}; 0 takes a free one`).argParser(whole(0, 65_535)).default(fallback)
}
