/**
 * Settings that only version 2 of vault-gatekeeper has (gatekeeper.md §4, §12): who uses one expects its answers, and its way of reading
 * policies. Not among them: what the environment may hold for the sake of another program (`LOG_LEVEL`, `VAULT_CLIENT_CERT`), and what
 * we have made settings of our own.
 */
const NAMES = new Set([
  'SCHEDULERS',
  'DCOS_UID',
  'DCOS_PRIVATEKEY',
  'MESOS_SKIPVERIFY',
  'HOST_CHECK',
  'USE_IMAGE_NAME',
  'VAULT_KV_VERSION',
  'VAULT_APPROLE_MOUNT',
  'TASK_GRACE',
  'POLICY_PATH',
  'USAGE_STORE',
  'USAGE_STORE_VAULT_PATH',
  'AUTH_TOKEN_WRAPPED',
  'AUTH_APP_ROLE',
  'AUTH_APP_SECRET',
  'AUTH_AWS_EC2',
  'AUTH_AWS_IAM',
  'AUTH_AWS_NONCE',
  'METRICS_TICKER',
  'METRICS_STATSD_PREFIX',
  'METRICS_STATSD_INFLUX',
  'METRICS_STATSD_DATADOG',
])

/** Those flags of its that version 1 calls otherwise, or has for the environment alone. */
const FLAGS = new Set([
  'listen-addr',
  'mesos-master',
  'vault-addr',
  'vault-cacert',
  'vault-capath',
  'vault-skip-verify',
  'vault-token',
])
/** Of both versions, although its name in the environment is another in each. */
const OF_BOTH = new Set(['auth-aws-ec2'])

export function isVersion2(env: NodeJS.ProcessEnv, flags: ReadonlyMap<string, string>): boolean {
  const named = [...flags.keys()].some(flag => FLAGS.has(flag) || (!OF_BOTH.has(flag) && NAMES.has(nameOf(flag))))
  return named || [...NAMES].some(name => env[name])
}

/** As version 2 makes the name of a flag in the environment. */
function nameOf(flag: string): string {
  return flag.toUpperCase().replaceAll('-', '_')
}
