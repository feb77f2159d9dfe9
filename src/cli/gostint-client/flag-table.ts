import type { FlagTable, FlagValues } from './flags.ts'

/** GoStint's flags (gostint.md §16.1), all of them and no others: a script that uses them must not notice the change. */
export const FLAGS = {
  url: { kind: 'text', help: 'address of the server, or of a courier; may hold a path prefix' },
  'vault-url': { kind: 'text', help: 'address of Vault', default: 'VAULT_ADDR' },
  'vault-token': { kind: 'text', file: true, help: 'Vault token of the requestor' },
  'vault-roleid': { kind: 'text', file: true, help: 'RoleID of the requestor, instead of a token' },
  'vault-secretid': { kind: 'text', file: true, help: 'SecretID that goes with -vault-roleid' },
  'gostint-approle': {
    kind: 'text',
    file: true,
    help: "the server's job role, and the name of its transit key",
    default: 'gostint-role',
  },
  'job-json': { kind: 'text', file: true, help: 'the whole job as JSON; the flags below win over it' },
  qname: { kind: 'text', help: 'queue; jobs of a queue run one after another' },
  image: { kind: 'text', help: 'container image' },
  'image-pull-policy': { kind: 'text', help: 'IfNotPresent or Always', default: 'IfNotPresent' },
  content: { kind: 'text', help: 'folder, or .tar.gz, to lay over the root of the container' },
  entrypoint: { kind: 'text', help: 'JSON array of strings: replaces the entry point of the image' },
  run: { kind: 'text', help: 'JSON array of strings: the command, or the arguments of the entry point' },
  'run-dir': { kind: 'text', help: 'working directory' },
  'env-vars': { kind: 'text', help: 'JSON array of NAME=value, not for secrets' },
  'secret-refs': { kind: 'text', help: 'JSON array of NAME@path.key' },
  'secret-filetype': { kind: 'text', help: 'form of the file of secrets: yaml or json', default: 'yaml' },
  'cont-on-warnings': { kind: 'boolean', help: 'go on when Vault answers a secret with warnings', default: 'false' },
  'poll-interval': { kind: 'number', help: 'seconds between two looks at the job', default: '1' },
  wait: { kind: 'boolean', help: 'wait for the end; -wait=false submits, prints the id and returns', default: 'true' },
  debug: { kind: 'boolean', help: 'show what is done, on stdout', default: 'false' },
} as const satisfies FlagTable

export type Flags = FlagValues<typeof FLAGS>
