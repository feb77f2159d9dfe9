import type { Command, Option } from 'commander'
import { CONFIG_KEYS } from '../src/cli/config-file.ts'
import { program } from '../src/cli/program.ts'
import { ERRORS } from '../src/protocol/errors.ts'
import { SETTINGS } from '../src/server/config.ts'
import { GOOD } from '../test/repositories/good.ts'
import { HOSTILE_COMMITS } from '../test/repositories/hostile-commits.ts'
import { HOSTILE_KEYS } from '../test/repositories/hostile-keys.ts'
import { HOSTILE_LFS } from '../test/repositories/hostile-lfs.ts'
import { HOSTILE_NOTES } from '../test/repositories/hostile-notes.ts'
import { HOSTILE_REPOSITORIES } from '../test/repositories/hostile-repositories.ts'
import { HOSTILE_SUBMODULES } from '../test/repositories/hostile-submodules.ts'

/** The documents that are made from the code, by their path. A test fails when one of them is not up to date. */
export function generatedDocs(): Record<string, string> {
  return {
    'docs/errors.md': errors(),
    'docs/configuration.md': configuration(),
    'docs/cli.md': cli(),
    'docs/watch-cases.md': watchCases(),
  }
}

const NOTE = '<!-- made by `npm run docs`; do not edit -->\n\n'

function errors(): string {
  const rows = Object.entries(ERRORS).map(([code, { http, status, cause, remedy }]) => {
    return `### \`${code}\`\n\nHTTP ${http}, status \`${status}\`\n\n${cause}.\n\n**What to do:** ${remedy}\n`
  })
  return `${NOTE}# Errors

Every answer that refuses something is a JSON object with \`status\` (the text that GoStint's clients know), \`error\` (the cause, in
words), \`code\` (one of those below, which never changes its meaning) and \`remedy\` (what to do next).

${rows.join('\n')}`
}

function configuration(): string {
  const rows = Object.values(SETTINGS).map(({ names, describe, ...rest }) => {
    const [first, ...aliases] = names.map(name => `\`${name}\``)
    const fallback = 'fallback' in rest ? (rest.fallback === '' ? '' : `\`${rest.fallback}\``) : '**required**'
    return `| ${first} | ${aliases.join(', ')} | ${fallback} | ${describe} |`
  })
  return `${NOTE}# Configuration of a server

By environment, checked at start: every problem is reported at once, and nothing is started with a wrong one. \`WRIT_CONCURRENCY\`'s
default depends on the machine (two for each core). Secrets belong into files; what comes by the environment is taken out of it.

| name | also | default | meaning |
|---|---|---|---|
${rows.map(row => row.replace(/(WRIT_CONCURRENCY` \|[^|]*\|) `\d+`/, '$1 2 × cores')).join('\n')}
`
}

function cli(): string {
  const writ = program()
  const all = writ.commands.flatMap(command => (command.commands.length ? command.commands : [command]))
  const sections = all.map(command => {
    const options = command.options.map(option => `| \`${option.flags}\` | ${describeOption(option)} |`)
    const table = options.length ? `\n| option | meaning |\n|---|---|\n${options.join('\n')}\n` : ''
    return `## writ ${usage(command)}\n\n${sentence(command.description())}\n${table}`
  })
  const config = Object.entries(CONFIG_KEYS).map(([key, { env, describe }]) => {
    return `| \`${key}\` | \`${env}\` | ${sentence(describe)} |`
  })
  return `${NOTE}# The command line

Results go to standard output, progress to standard error. With \`--json\` a result is one line of JSON. On a terminal, tables have a
header and aligned columns, and a line says what a job waits for and how long; in a pipe there is neither, nor colour, and a tab is
between two cells. \`NO_COLOR\` is heeded. An error ends with the next thing to try, and a slip of the pen with what was probably meant.

| exit code | meaning |
|---|---|
| 0 | it worked; for \`run\` and \`logs -f\`: the job ended with 0 |
| 1 to 255 | for \`run\` and \`logs -f\`: the job's own code |
| 1 | it did not work |
| 2 | it was called in a way that cannot work |
| 125 | the job did not run: it failed before its command began |
| 130 | interrupted; \`run\` only by the second time, the first one kills the job |
| 141 | nobody reads its output any more |
| 143 | told to end by SIGTERM; the job goes on |

## Where things are

A flag counts first, then the environment, then the configuration file: the one that \`WRIT_CONFIG\` names, or \`~/.config/writ/config.yaml\`
if it is there. A variable that is set to nothing takes away what the file says; \`WRIT_CONFIG\` set to nothing, the file.

| in the file | in the environment | meaning |
|---|---|---|
${config.join('\n')}

\`\`\`yaml
server: https://writ.example.com:3232
server_ca: ca.pem # from the folder of this file on
vault: https://vault.example.com:8200
queue: deployments
\`\`\`

The token is \`VAULT_TOKEN\`, or what \`vault login\` wrote to \`~/.vault-token\`. A file with a token, a password or a key in it is refused, so is
one with a key that is not in the table, and one that others than you can write to: it says where your token goes. \`VAULT_TLS_SERVER_NAME\` and
\`WRIT_TOKEN_POLICIES\` are read from the environment alone. A server reads none of this file ([its settings](configuration.md)), nor does the gate.

${sections.join('\n')}`
}

function usage(command: Command): string {
  const args = command.registeredArguments.map(argument => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name()
    return argument.required ? `<${name}>` : `[-- ${name}]`
  })
  const group = command.parent?.parent ? [command.parent.name()] : []
  return [...group, command.name(), ...args].join(' ')
}

function describeOption(option: Option): string {
  const choices = option.argChoices ? ` (${option.argChoices.join(', ')})` : ''
  const given = option.defaultValue
  const fallback = given === undefined || given === '' || Array.isArray(given) ? '' : ` (default \`${given}\`)`
  return `${sentence(option.description)}${choices}${fallback}`
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function watchCases(): string {
  const list = (title: string, cases: readonly { readonly name: string }[]) =>
    `## ${title} (${cases.length})\n\n${cases.map(({ name }) => `- ${name.replaceAll(/[<*_`\\]/g, '\\$&')}`).join('\n')}\n`
  return `${NOTE}# What the watch is tried with

Repositories, commits, notes and keys, made by the real git, gpg and ssh-keygen in every run of the tests. What they are about is in
[what the watch checks and why](watch-threats.md).

${list('Must be accepted', GOOD)}
${list('Must be refused: commits', HOSTILE_COMMITS)}
${list('Must be refused: keys', HOSTILE_KEYS)}
${list('Must be refused: notes and counting', HOSTILE_NOTES)}
${list('Must be refused: whole repositories', HOSTILE_REPOSITORIES)}
${list('Must be refused: submodules', HOSTILE_SUBMODULES)}
${list('Must be refused: git-lfs', HOSTILE_LFS)}`
}
