import { availableParallelism } from 'node:os'
import {
  anyText,
  cacheFolder,
  counts,
  decimal,
  duration,
  file,
  flag,
  httpUrl,
  integer,
  namesUser,
  network,
  networks,
  nonEmpty,
  oneOf,
  postgresUrl,
  protocols,
  queueWidths,
  roleName,
  type Setting,
  secretFile,
  secretText,
  setting,
  staticProgram,
  vaultPath,
} from './config-values.ts'
import type { Credentials } from './identity/credentials.ts'
import { KUBERNETES_SETTINGS } from './kubernetes-settings.ts'

export const SETTINGS = {
  listenHost: setting(
    ['WRIT_LISTEN_HOST'],
    anyText,
    'Address to listen on. Anything but loopback needs TLS.',
    '127.0.0.1',
  ),
  listenPort: setting(
    ['WRIT_PORT', 'GOSTINT_PORT'],
    integer(0, 65535),
    'Port to listen on; 0 takes a free one.',
    '3232',
  ),
  tlsCert: setting(['WRIT_TLS_CERT', 'GOSTINT_SSL_CERT'], file, 'PEM file of the certificate; with it, TLS only.', ''),
  tlsKey: setting(['WRIT_TLS_KEY', 'GOSTINT_SSL_KEY'], file, 'PEM file of the key of the certificate.', ''),
  plainHttp: setting(['WRIT_PLAIN_HTTP'], flag, 'Set to 1 to listen without TLS on more than loopback.', '0'),
  bodyLimit: setting(
    ['WRIT_BODY_LIMIT'],
    integer(1024, 2 ** 30),
    'Largest request body, in bytes. Vault takes 32 MiB, and what it keeps encrypted grows by a third.',
    String(20 * 1024 * 1024),
  ),
  rateLimit: setting(
    ['WRIT_RATE_LIMIT'],
    integer(0, 1_000_000),
    'Requests a minute that one Vault token may make at one node; 0 for no limit.',
    '0',
  ),
  rateLimitOpen: setting(
    ['WRIT_RATE_LIMIT_OPEN'],
    integer(0, 1_000_000),
    'Requests a minute from one address without a good token, also those with a wrong one; 0 for no limit. Behind a proxy all come from its address.',
    '6000',
  ),
  databaseUrl: setting(['DATABASE_URL'], postgresUrl, 'PostgreSQL 15 to 18: postgres://…'),
  databaseCreds: setting(
    ['WRIT_DATABASE_CREDS'],
    vaultPath,
    'Path in Vault that user and password for the database are read from (`database/creds/writ`), instead of any in DATABASE_URL. See [database credentials](database-credentials.md).',
    '',
  ),
  vaultAddr: setting(['VAULT_ADDR'], httpUrl, 'Address of Vault or OpenBao.'),
  vaultExternalAddr: setting(
    ['VAULT_EXTERNAL_ADDR'],
    anyText,
    'Address of Vault for people and browsers, if it is another one.',
    '',
  ),
  vaultNamespace: setting(['VAULT_NAMESPACE'], anyText, 'Namespace in Vault.', ''),
  vaultCa: setting(['VAULT_CACERT'], file, "PEM file of the authorities that sign Vault's certificate.", ''),
  vaultServerName: setting(
    ['VAULT_TLS_SERVER_NAME'],
    anyText,
    "Name in Vault's certificate, if it is not the address's.",
    '',
  ),
  jobRole: setting(
    ['WRIT_JOB_ROLE', 'GOSTINT_ROLENAME'],
    roleName,
    'AppRole of jobs; also the name of the transit key that envelopes are sealed with.',
    'writ-job',
  ),
  jobRoleId: setting(['WRIT_JOB_ROLE_ID', 'GOSTINT_ROLEID'], nonEmpty, 'RoleID of that AppRole.'),
  acceptRewrapped: setting(
    ['WRIT_ACCEPT_REWRAPPED'],
    flag,
    "Set to 1 to take a SecretID that was wrapped anew with sys/wrapping/wrap, as GoStint's web page sends it. A courier who opens such a wrap, keeps what is in it and wraps it again is then not found out.",
    '0',
  ),
  serverKey: setting(
    ['WRIT_SERVER_KEY'],
    roleName,
    "Transit key that waiting jobs are kept encrypted with: the server's own.",
    'writ-server',
  ),
  requireAcl: setting(
    ['WRIT_REQUIRE_ACL'],
    flag,
    'Set to 1 to take jobs only from callers whose Vault policies allow `create` on writ/queues/<qname> and writ/images/<image>.',
    '0',
  ),
  roleId: setting(
    ['WRIT_ROLE_ID', 'GOSTINT_RUN_ROLEID'],
    anyText,
    'RoleID of the AppRole that the server itself logs in with.',
    '',
  ),
  secretIdFile: setting(['WRIT_SECRET_ID_FILE'], secretFile, 'File with the SecretID of that AppRole.', ''),
  secretId: setting(
    ['GOSTINT_RUN_SECRETID'],
    secretText,
    'The SecretID itself. Taken out of the environment at start; a file is better.',
    '',
  ),
  tokenFile: setting(
    ['WRIT_VAULT_TOKEN_FILE'],
    secretFile,
    'File with a Vault token for the server, instead of an AppRole.',
    '',
  ),
  dockerHost: setting(['DOCKER_HOST'], anyText, 'Container engine.', 'unix:///var/run/docker.sock'),
  gateBinary: setting(
    ['WRIT_GATE_BINARY'],
    staticProgram,
    'A statically linked busybox: shell and tar for handing over secrets in images that have neither. Empty: the one of this machine, if there is one.',
    '',
  ),
  pullStallSeconds: setting(
    ['WRIT_PULL_STALL'],
    integer(1, 86_400),
    'Seconds without any progress after which the pull of an image is given up.',
    '300',
  ),
  preparedSeconds: setting(
    ['WRIT_PREPARED_TTL'],
    integer(3600, 10 * 365 * 86_400),
    'Seconds after which what was prepared of an image that nobody used is removed from the engine.',
    String(7 * 86_400),
  ),
  removePulled: setting(
    ['WRIT_REMOVE_PULLED'],
    flag,
    'Set to 1 to remove an image with what was prepared of it, if it is only there because this installation has pulled it.',
    '0',
  ),
  networkSlots: setting(
    ['WRIT_NETWORK_SLOTS'],
    integer(0, 1000),
    'Networks that are kept for jobs of the same submitter that follow each other; 0: each job gets a new one.',
    '0',
  ),
  warm: setting(
    ['WRIT_WARM'],
    counts,
    'Containers that are started before there is a job for them: busybox=2,ansible:9=1. Jobs of that image with the default limits and without content take them.',
    '',
  ),
  concurrency: setting(
    ['WRIT_CONCURRENCY'],
    integer(1, 1000),
    'Jobs that run at once on this node.',
    String(availableParallelism() * 2),
  ),
  clusterConcurrency: setting(
    ['WRIT_CLUSTER_CONCURRENCY'],
    integer(0, 100_000),
    'Jobs that run at once on all nodes of a database together; 0 for no such limit. The same on each node.',
    '0',
  ),
  queueWidths: setting(
    ['WRIT_QUEUE_WIDTH'],
    queueWidths,
    'Queues that run more than one job at once: `build-*=4,tests=2`. The first pattern that fits counts; all others are serial.',
    '',
  ),
  timeout: setting(['WRIT_JOB_TIMEOUT'], duration(), 'How long a job runs that does not say; 0 for no limit.', '0'),
  timeoutMax: setting(['WRIT_JOB_TIMEOUT_MAX'], duration(), 'How long a job may run at most; 0 for no maximum.', '0'),
  queueTimeout: setting(
    ['WRIT_QUEUE_TIMEOUT'],
    duration(),
    'How long a job waits for its start that does not say; 0 for no limit.',
    '0',
  ),
  queueTimeoutMax: setting(
    ['WRIT_QUEUE_TIMEOUT_MAX'],
    duration(),
    'How long a job may wait at most; 0 for no maximum.',
    '0',
  ),
  leaseMs: setting(
    ['WRIT_LEASE_MS'],
    integer(500, 600_000),
    'After how long without a sign of life the jobs of a node are taken over.',
    '10000',
  ),
  retentionSeconds: setting(
    ['WRIT_RETENTION'],
    duration(60),
    'How long the record and output of an ended job are kept that does not say; the audit trail stays.',
    '6h',
  ),
  retentionMax: setting(
    ['WRIT_RETENTION_MAX'],
    duration(),
    'How long a job may have its record kept at most; 0 for no maximum.',
    '0',
  ),
  enginePatience: setting(
    ['WRIT_ENGINE_PATIENCE'],
    duration(1),
    'How long a started job waits for an engine that does not answer; then its end is unknown, and its queue goes on.',
    '5m',
  ),
  drainTimeout: setting(
    ['WRIT_DRAIN_TIMEOUT'],
    duration(),
    'How long a server that is told to end (SIGTERM) or to drain (SIGINT) finishes what runs; then it hands over and ends. 0: SIGTERM hands over at once, and SIGINT drains without an end.',
    '0',
  ),
  killGraceSeconds: setting(
    ['WRIT_KILL_GRACE'],
    integer(0, 600),
    'Seconds between SIGTERM and SIGKILL of a killed job.',
    '15',
  ),
  jobMemory: setting(
    ['WRIT_JOB_MEMORY'],
    integer(8 * 1024 * 1024, 2 ** 40),
    'Memory of a job, in bytes.',
    String(1024 * 1024 * 1024),
  ),
  maxJobMemory: setting(
    ['WRIT_MAX_JOB_MEMORY'],
    integer(0, 2 ** 40),
    'Most memory that a job may ask for, in bytes; 0: what jobs get by default.',
    '0',
  ),
  jobCpus: setting(['WRIT_JOB_CPUS'], decimal(0, 4096), 'Processors of a job, 0.5 for half of one; 0: all.', '0'),
  maxJobCpus: setting(
    ['WRIT_MAX_JOB_CPUS'],
    decimal(0, 4096),
    'Most processors that a job may ask for; 0: what jobs get by default.',
    '0',
  ),
  jobPids: setting(['WRIT_JOB_PIDS'], integer(8, 1_000_000), 'Processes and threads of a job.', '512'),
  maxJobPids: setting(
    ['WRIT_MAX_JOB_PIDS'],
    integer(0, 1_000_000),
    'Most processes and threads that a job may ask for; 0: what jobs get by default.',
    '0',
  ),
  jobNetwork: setting(
    ['WRIT_JOB_NETWORK'],
    network,
    'Network of jobs: none, bridge, or one of the engine by name.',
    'bridge',
  ),
  allowedNetworks: setting(
    ['WRIT_ALLOWED_NETWORKS'],
    networks,
    'Other networks that a job may ask for, separated by commas.',
    'none',
  ),
  outputLimit: setting(
    ['WRIT_OUTPUT_LIMIT'],
    integer(65_536, 2 ** 40),
    'Bytes of output that are kept of each job, half of them from its beginning and half from its end.',
    String(64 * 1024 * 1024),
  ),
  answerOutput: setting(
    ['WRIT_ANSWER_OUTPUT'],
    integer(65_536, 64 * 1024 * 1024),
    'Bytes of output in the answer about a job, its beginning and its end; all that is kept is at `/output`. An answer takes several times as much memory. GoStint gave 16 MB at most.',
    String(4 * 1024 * 1024),
  ),
  maxOutput: setting(
    ['WRIT_MAX_OUTPUT'],
    integer(0, 2 ** 50),
    'Bytes after which a job is stopped for its output, kept or not, as it is on the disk of its engine until the job ends: with 70 bytes more for each line. 0: no limit.',
    String(2 * 1024 * 1024 * 1024),
  ),
  watchProtocols: setting(
    ['WRIT_WATCH_PROTOCOLS'],
    protocols,
    'Ways to repositories that watches may use: https, ssh, http, file. The last two do not prove who the server is.',
    'https,ssh',
  ),
  watchCache: setting(
    ['WRIT_WATCH_CACHE'],
    cacheFolder,
    'Folder for copies of watched repositories, by default writ/watch in the cache of the user. Nothing in it is secret or worth a backup.',
    '',
  ),
  watchLooks: setting(
    ['WRIT_WATCH_LOOKS'],
    integer(1, 100),
    'How many repositories this node looks at or fetches at once.',
    '4',
  ),
  ...KUBERNETES_SETTINGS,
  logLevel: setting(
    ['WRIT_LOG_LEVEL'],
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'How much is logged.',
    'info',
  ),
  debug: setting(
    ['GOSTINT_DEBUG'],
    text => text !== '',
    'Anything at all: as WRIT_LOG_LEVEL=debug, where that is not set. No body of a request is logged by it.',
    '',
  ),
} as const satisfies Record<string, Setting<unknown>>

type Values = { [K in keyof typeof SETTINGS]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never }

export interface Config extends Omit<Values, 'roleId' | 'secretIdFile' | 'secretId' | 'tokenFile' | 'debug'> {
  /** Null: sealed until somebody unseals it over the gate's listener. */
  readonly credentials: Credentials | null
}

/** All that is wrong with the configuration, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** Reads and checks everything at once. Throws `ConfigError` with every problem. Takes secrets out of the environment. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [key, { names, fallback, parse }] of Object.entries(SETTINGS) as [string, Setting<unknown>][]) {
    const name = names.find(candidate => env[candidate] !== undefined && env[candidate] !== '')
    const value = name === undefined ? fallback : env[name]
    if (value === undefined) {
      problems.push(
        `${names.join(' or ')} is not set: ${(SETTINGS as Record<string, Setting<unknown>>)[key]?.describe}`,
      )
      continue
    }
    try {
      values[key] = parse(value)
    } catch (error) {
      problems.push(`${name ?? names[0]} ${(error as Error).message}`)
    }
  }
  // a process's environment is open to its children and to whoever may read /proc: nothing secret stays in it
  for (const name of [...SETTINGS.secretId.names, ...SETTINGS.databaseUrl.names]) delete env[name]

  const { roleId, secretIdFile, secretId, tokenFile, debug, ...rest } = values as unknown as Values
  const secret = secretIdFile ?? secretId
  let credentials: Credentials | null = null
  const unsealable = Boolean(env.WRIT_GATE_LISTEN || env.WRIT_GATE_SOCKET) && !roleId && !secret
  if (tokenFile) credentials = { kind: 'token', token: tokenFile }
  else if (roleId && secret) credentials = { kind: 'approle', roleId, secretId: secret }
  else if (!unsealable)
    problems.push(
      'WRIT_ROLE_ID and WRIT_SECRET_ID_FILE are not both set: the server needs a Vault identity of its own (or WRIT_VAULT_TOKEN_FILE, or a listener of the gate to be unsealed over)',
    )
  if (rest.databaseCreds && namesUser(rest.databaseUrl ?? ''))
    problems.push('WRIT_DATABASE_CREDS is set, and DATABASE_URL names a user or password: leave them out there')
  if (rest.databaseCreds && !credentials && unsealable)
    problems.push(
      'WRIT_DATABASE_CREDS needs a server that logs in to Vault by itself: set WRIT_ROLE_ID and WRIT_SECRET_ID_FILE, or WRIT_VAULT_TOKEN_FILE',
    )
  if (Boolean(rest.tlsCert) !== Boolean(rest.tlsKey)) problems.push('WRIT_TLS_CERT and WRIT_TLS_KEY belong together')
  if (!isLoopback(rest.listenHost) && !rest.tlsCert && !rest.plainHttp) {
    problems.push(
      'WRIT_LISTEN_HOST is not loopback and there is no TLS: tokens would travel in clear. Set WRIT_TLS_CERT and WRIT_TLS_KEY',
    )
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return { ...rest, credentials, ...(debug && !env.WRIT_LOG_LEVEL ? { logLevel: 'debug' } : {}) }
}

export function isLoopback(host: string | undefined): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host ?? '')
}
