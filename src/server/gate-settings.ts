import type { Secret } from '../vault/secret.ts'
import { anyText, file, httpUrl, integer, oneOf, roleName, secretFile, secretText, vaultPath } from './config-values.ts'
import {
  clusters,
  duration,
  isYes,
  logLevel,
  names,
  nothing,
  optionalDuration,
  optionalPostgres,
  optionalUrl,
  refusedYes,
} from './gate-values.ts'

/** One setting of the gate: names of the environment, first ours, and flags of both versions of vault-gatekeeper. */
export interface GateSetting<T> {
  readonly env: readonly string[]
  readonly flags: readonly string[]
  readonly fallback: string
  readonly describe: string
  readonly parse: (text: string) => T
  /** Its value must not stay in the environment, nor be shown in help. */
  readonly secret?: boolean
  /** A flag without a value means yes. */
  readonly boolean?: boolean
}

function setting<T>(
  env: string,
  flags: string,
  fallback: string,
  parse: (text: string) => T,
  describe: string,
): GateSetting<T> {
  const words = (text: string) => text.split(' ').filter(Boolean)
  return { env: words(env), flags: words(flags), fallback, describe, parse }
}

const yes = (env: string, flags: string, describe: string): GateSetting<boolean> => ({
  ...setting(env, flags, '', isYes, describe),
  boolean: true,
})
const secret = (env: string, flags: string, describe: string): GateSetting<Secret | null> => ({
  ...setting(env, flags, '', secretText, describe),
  secret: true,
})

/** gatekeeper.md §4 and §12. */
export const GATE_SETTINGS = {
  listen: setting(
    'WRIT_GATE_LISTEN LISTEN_ADDR',
    'listen listen-addr',
    '',
    anyText,
    'Where to listen: `host:port` or `:port`, or the path of a Unix socket. Without TLS 127.0.0.1:9201, with TLS :9201.',
  ),
  socket: setting(
    'WRIT_GATE_SOCKET',
    'socket',
    '',
    anyText,
    'Unix socket to listen on as well: tasks on this machine are known by the kernel there.',
  ),
  tlsCert: setting(
    'WRIT_TLS_CERT TLS_CERT',
    'tls-cert',
    '',
    file,
    'PEM file of the certificate; with it, TLS only. Read again on SIGHUP.',
  ),
  tlsKey: setting('WRIT_TLS_KEY TLS_KEY', 'tls-key', '', file, 'PEM file of its key.'),
  schedulers: setting(
    'WRIT_GATE_SCHEDULERS SCHEDULERS PROVIDER DOCKER_PROVIDER',
    'provider schedulers',
    'mesos',
    names,
    'What vouches for tasks: `mesos`, `dcosee-mesos`, `ecs`, `docker`, `kubernetes`, `writ`, `test`, `mesos_test`; several with commas, the first is the default.',
  ),
  mesos: {
    ...setting(
      'MESOS_MASTER',
      'mesos mesos-master',
      'http://localhost:5050',
      anyText,
      'Mesos masters: `zk://h1:p1,h2:p2/path`, `https://…` or `http://h1:p1,h2:p2`.',
    ),
    // the address of a ZooKeeper may hold a password
    secret: true,
  },
  mesosCa: setting(
    'WRIT_MESOS_CACERT',
    'mesos-cacert',
    '',
    file,
    "PEM file of the authorities that sign the masters' certificates.",
  ),
  dcosUid: setting('DCOS_UID', 'dcos-uid', 'vgm', anyText, 'Service account of the scheduler `dcosee-mesos`.'),
  dcosKey: setting(
    'DCOS_PRIVATEKEY',
    'dcos-privatekey',
    '/certs/vgm-privatekey.pem',
    anyText,
    'PEM file of its RSA key.',
  ),
  mesosSkipVerify: {
    ...setting(
      'MESOS_SKIPVERIFY',
      'mesos-skipverify',
      '',
      refusedYes('whoever stands between would decide who gets tokens; name the authorities in WRIT_MESOS_CACERT'),
      'Refused: WRIT_MESOS_CACERT names whom to believe.',
    ),
    boolean: true,
  },
  ecsClusters: setting(
    'WRIT_ECS_CLUSTERS',
    'ecs-clusters',
    '',
    clusters,
    'ECS clusters, by name or ARN, all of one region; without, the one that the gate runs in.',
  ),
  awsRegion: setting('AWS_REGION', '', '', anyText, 'Their region, if their ARNs do not say it.'),
  dockerHost: setting('DOCKER_HOST', '', 'unix:///var/run/docker.sock', anyText, 'Engine of the scheduler `docker`.'),
  dockerPeerOnly: yes('WRIT_GATE_DOCKER_PEER_ONLY', 'docker-peer-only', 'Containers must ask over the Unix socket.'),
  kubernetesServer: setting(
    'WRIT_KUBERNETES_SERVER',
    'kubernetes-server',
    '',
    anyText,
    'API server of the scheduler `kubernetes`, from outside of the cluster.',
  ),
  kubernetesCa: setting(
    'WRIT_KUBERNETES_CACERT',
    'kubernetes-cacert',
    '',
    anyText,
    "PEM file of the authorities that sign its certificate; inside of a cluster that of this pod's service account.",
  ),
  kubernetesTokenFile: setting(
    'WRIT_KUBERNETES_TOKEN_FILE',
    'kubernetes-token-file',
    '',
    anyText,
    "File with the gate's own token for it, read again for each request; by default that of this pod's service account.",
  ),
  kubernetesAudience: setting(
    'WRIT_KUBERNETES_AUDIENCE',
    'kubernetes-audience',
    'writ-gate',
    anyText,
    "What pods' tokens must have been made for.",
  ),
  vaultAddr: setting(
    'VAULT_ADDR',
    'vault vault-addr',
    'http://localhost:8200',
    httpUrl,
    'Address of Vault or OpenBao.',
  ),
  vaultPublicAddr: setting(
    'WRIT_GATE_VAULT_PUBLIC_ADDR VAULT_EXTERNAL_ADDR',
    'vault-public-addr',
    '',
    anyText,
    'The same as tasks reach it.',
  ),
  vaultNamespace: setting('VAULT_NAMESPACE', '', '', anyText, 'Namespace in Vault.'),
  vaultServerName: setting(
    'VAULT_TLS_SERVER_NAME',
    '',
    '',
    anyText,
    "Name in Vault's certificate, if it is not the address's.",
  ),
  vaultCa: setting(
    'VAULT_CACERT',
    'ca-cert vault-cacert',
    '',
    file,
    "PEM file of the authorities that sign Vault's certificate.",
  ),
  vaultCaPath: setting('VAULT_CAPATH', 'ca-path vault-capath', '', anyText, 'Folder of such files.'),
  vaultCert: setting(
    'VAULT_CLIENT_CERT',
    'vault-client-cert',
    '',
    file,
    'PEM file of the certificate that is shown to Vault.',
  ),
  vaultKey: setting('VAULT_CLIENT_KEY', 'vault-client-key', '', file, 'PEM file of its key.'),
  skipVerify: yes(
    'VAULT_SKIP_VERIFY',
    'tls-skip-verify vault-skip-verify',
    'Believe any certificate of Vault. Whoever stands between reads every token.',
  ),
  policies: setting('GATE_POLICIES', 'policies', '/gatekeeper', anyText, 'Path of the policies below `secret/`.'),
  policyPath: setting(
    'WRIT_GATE_POLICY_PATH POLICY_PATH',
    'policy-path',
    '',
    anyText,
    'The same with its mount: `secret/data/gatekeeper`.',
  ),
  kvVersion: setting('VAULT_KV_VERSION', 'vault-kv-version', '', anyText, 'Accepted, and not needed: Vault says it.'),
  nested: yes('GATE_POLICIES_NESTED', 'policies-nested', 'Read what is below the path too, and join it.'),
  renewable: setting(
    'DEFAULT_RENEWABLE',
    'default-renewable-tokens',
    'true',
    isYes,
    'Are tokens renewable whose policy does not say?',
  ),
  approleMount: setting(
    'VAULT_APPROLE_MOUNT',
    'vault-approle-mount',
    'approle',
    roleName,
    'Of the AppRoles that tokens are issued by.',
  ),
  taskLife: setting('TASK_LIFE TASK_GRACE', 'task-life task-grace', '2m', duration, 'Older tasks get nothing.'),
  clockSkew: setting(
    'WRIT_GATE_CLOCK_SKEW',
    'clock-skew',
    '30s',
    duration,
    "By how much a scheduler's clock may be ahead.",
  ),
  wrapTtl: setting(
    'WRIT_GATE_WRAP_TTL',
    'wrap-ttl',
    '',
    optionalDuration,
    'How long an answered token may wait to be opened; at most, and without being set, as TASK_LIFE.',
  ),
  hostCheck: yes('HOST_CHECK', 'host-check', 'Refuse who calls from another address than the task has.'),
  useImageName: yes('USE_IMAGE_NAME', 'use-image-name', 'Choose policies by the image of a task.'),
  recreate: yes('RECREATE_TOKEN', 'self-recreate-token', 'Near its end, have the own token make its successor.'),
  sealStatus: setting(
    'SEAL_HTTP_STATUS',
    'seal-http-status',
    '200',
    integer(200, 599),
    'HTTP status of `/status.json` while sealed.',
  ),
  wire: setting(
    'WRIT_GATE_WIRE',
    'wire',
    '',
    oneOf('', 'v1', 'v2'),
    "Whose statuses and texts are answered to requests that do not show it: `v1` or `v2`; without, `v2` if one of version 2's settings is used.",
  ),
  legacyAdmin: yes('WRIT_GATE_LEGACY_ADMIN', 'legacy-admin', 'Let anybody seal and reload, as vault-gatekeeper did.'),
  alarmUrl: setting('WRIT_GATE_ALARM_URL', 'alarm-url', '', optionalUrl, 'Gets a POST for each alarm.'),
  tokenRate: setting(
    'WRIT_GATE_RATE_LIMIT',
    'rate-limit',
    '1200',
    integer(0, 1e6),
    'Requests a minute from one address; 0 without limit.',
  ),
  unsealRate: setting(
    'WRIT_GATE_UNSEAL_RATE_LIMIT',
    'unseal-rate-limit',
    '30',
    integer(0, 1e6),
    'Attempts to unseal a minute from one address; 0 without limit.',
  ),
  databaseUrl: setting(
    'DATABASE_URL',
    '',
    '',
    optionalPostgres,
    'PostgreSQL, for several gates that share their uses, and for an audit trail. Without it they are in memory.',
  ),
  databaseCreds: setting(
    'WRIT_DATABASE_CREDS',
    '',
    '',
    vaultPath,
    'Path in Vault that user and password for the database are read from, instead of any in DATABASE_URL.',
  ),
  usageStore: setting(
    'USAGE_STORE',
    'usage-store',
    'memory',
    oneOf('memory'),
    'Accepted for `memory`; for several gates set DATABASE_URL.',
  ),
  token: secret('VAULT_TOKEN', 'vault-token', 'Unseal with this token.'),
  tokenFile: setting('WRIT_VAULT_TOKEN_FILE', '', '', secretFile, 'File with a token to unseal with.'),
  cubbyToken: secret('CUBBY_TOKEN', 'cubby-token', 'Unseal with the token in the cubbyhole of this one.'),
  cubbyPath: setting('CUBBY_PATH', 'cubby-path', '/vault-token', anyText, 'Where it is there.'),
  wrappedToken: secret(
    'WRAPPED_TOKEN_AUTH AUTH_TOKEN_WRAPPED',
    'wrapped-token-auth auth-token-wrapped',
    'Unseal with this wrapped token.',
  ),
  appId: setting('APP_ID', 'auth-appid', '', anyText, 'Unseal by this app id.'),
  userIdMethod: setting(
    'USER_ID_METHOD',
    'auth-userid-method',
    '',
    oneOf('', 'mac', 'file'),
    'Where its user id comes from.',
  ),
  userIdInterface: setting(
    'USER_ID_INTERFACE',
    'auth-userid-interface',
    '',
    anyText,
    'The interface whose address it is.',
  ),
  userIdPath: setting('USER_ID_PATH', 'auth-userid-path', '', anyText, 'The file whose content it is.'),
  userIdHash: setting('USER_ID_HASH', 'auth-userid-hash', '', oneOf('', 'sha256', 'sha1', 'md5'), 'How it is hashed.'),
  userIdSalt: secret('USER_ID_SALT', 'auth-userid-salt', 'With which salt.'),
  roleId: setting('WRIT_ROLE_ID AUTH_APP_ROLE', 'auth-app-role', '', anyText, 'Unseal by the AppRole of this RoleID.'),
  secretId: secret('AUTH_APP_SECRET GOSTINT_RUN_SECRETID', 'auth-app-secret', 'Its SecretID.'),
  secretIdFile: setting('WRIT_SECRET_ID_FILE', '', '', secretFile, 'File with it.'),
  wrappedSecretId: secret('WRIT_WRAPPED_SECRET_ID', 'wrapped-secret-id', 'A wrapping token with it.'),
  awsLogin: yes('AWS_EC2_LOGIN AUTH_AWS_EC2', 'auth-aws-ec2', 'Unseal as the EC2 instance that this is.'),
  awsRole: setting('AWS_ROLE', 'auth-aws-ec2-role', '', anyText, 'Its role in Vault.'),
  awsIam: setting('AUTH_AWS_IAM', 'auth-aws-iam', '', anyText, 'The same, and unseals by itself.'),
  awsNonce: secret('AWS_NONCE AUTH_AWS_NONCE', 'auth-aws-ec2-nonce auth-aws-nonce', 'Its nonce.'),
  kubernetesRole: setting(
    'WRIT_KUBERNETES_ROLE',
    'kubernetes-role',
    '',
    anyText,
    'Unseal by the service account of this pod, in this role.',
  ),
  jwtRole: setting('WRIT_JWT_ROLE', 'jwt-role', '', anyText, 'Unseal by a JWT, in this role.'),
  jwtFile: setting('WRIT_JWT_FILE', 'jwt-file', '', anyText, 'The file with the JWT.'),
  certRole: setting(
    'WRIT_CERT_ROLE',
    'cert-role',
    '',
    anyText,
    'Unseal by the certificate that is shown to Vault, in this role.',
  ),
  metricsStatsd: setting(
    'METRICS_STATSD',
    'metrics-statsd',
    '',
    nothing('there is no statsd here; /metrics is for Prometheus'),
    'Refused: `GET /metrics` is for Prometheus.',
  ),
  statsdDetails: setting(
    '',
    'metrics-ticker metrics-statsd-prefix usage-store-vault-path',
    '',
    anyText,
    'Accepted, and without effect: details of what is refused.',
  ),
  statsdTags: yes('', 'metrics-statsd-influx metrics-statsd-datadog', 'The same.'),
  peers: setting(
    'PEERS',
    'peers',
    '',
    nothing('gates share their uses in PostgreSQL (DATABASE_URL), and none passes requests on'),
    'Refused: gates share their uses by DATABASE_URL.',
  ),
  logLevel: setting(
    'WRIT_LOG_LEVEL LOG_LEVEL',
    'log-level',
    'info',
    logLevel,
    'How much is logged: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.',
  ),
} as const satisfies Record<string, GateSetting<unknown>>
