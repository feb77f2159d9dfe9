import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '../vault/secret.ts'
import { ConfigError, isLoopback } from './config.ts'
import { namesUser } from './config-values.ts'
import type { GateSettings } from './gate/settings.ts'
import { GATE_SETTINGS, type GateSetting } from './gate-settings.ts'
import { isVersion2 } from './gate-version.ts'
import type { Wire } from './http/gate/settings.ts'
import type { Credentials } from './identity/credentials.ts'
import type { UserIdSource } from './identity/methods/user-id.ts'

type Values = { [K in keyof typeof GATE_SETTINGS]: (typeof GATE_SETTINGS)[K] extends GateSetting<infer T> ? T : never }

export interface Listen {
  /** Of TCP; empty host is every address. */
  readonly host: string
  readonly port: number
}

/** All that a gate is started with. */
export interface GateConfig {
  readonly values: Values
  /** Null: only the Unix socket. */
  readonly listen: Listen | null
  readonly socket: string | null
  readonly wire: Wire
  readonly gate: GateSettings
  readonly credentials: Credentials | null
  readonly userId: UserIdSource | null
  readonly vaultCa: string | undefined
  /** Worth a line of the log at start. */
  readonly warnings: readonly string[]
}

/**
 * Reads flags and environment, a flag before the environment; throws `ConfigError` with every problem. Takes secrets out of the
 * environment, so that no child gets them; whoever is the same user still reads them in /proc, so files are better.
 */
export function readGateConfig(env: NodeJS.ProcessEnv, flags: ReadonlyMap<string, string>): GateConfig {
  const problems: string[] = []
  const known = new Set(Object.values(GATE_SETTINGS).flatMap(setting => setting.flags as readonly string[]))
  for (const flag of flags.keys()) if (!known.has(flag)) problems.push(`-${flag} is not a flag of the gate`)
  // before the secrets are taken out: some of them are such settings
  const v2 = isVersion2(env, flags)
  const found: Record<string, unknown> = {}
  for (const [key, setting] of Object.entries(GATE_SETTINGS) as [string, GateSetting<unknown>][]) {
    const flag = setting.flags.find(name => flags.has(name))
    const name = setting.env.find(candidate => env[candidate] !== undefined && env[candidate] !== '')
    const text = flag !== undefined ? flags.get(flag) : name !== undefined ? env[name] : undefined
    try {
      found[key] = setting.parse(text ?? setting.fallback)
    } catch (error) {
      problems.push(`${flag !== undefined ? `-${flag}` : (name ?? setting.env[0])} ${(error as Error).message}`)
    }
    if (setting.secret) for (const one of setting.env) delete env[one]
  }
  const values = found as unknown as Values
  const config = problems.length === 0 ? complete(values, values.wire || (v2 ? 'v2' : 'v1'), problems) : null
  if (problems.length > 0 || !config) throw new ConfigError(problems)
  const proxy = PROXIES.find(name => env[name])
  const unused = `${proxy}: not used; Vault and the schedulers are asked directly`
  return proxy ? { ...config, warnings: [...config.warnings, unused] } : config
}

const PROXIES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']

function complete(values: Values, wire: Wire, problems: string[]): GateConfig {
  const warnings: string[] = []
  if (Boolean(values.tlsCert) !== Boolean(values.tlsKey)) problems.push('TLS_CERT and TLS_KEY belong together')
  if (Boolean(values.vaultCert) !== Boolean(values.vaultKey))
    problems.push('VAULT_CLIENT_CERT and VAULT_CLIENT_KEY belong together')
  if (values.databaseCreds && namesUser(values.databaseUrl ?? ''))
    problems.push('WRIT_DATABASE_CREDS is set, and DATABASE_URL names a user or password: leave them out there')
  if (values.databaseCreds && !values.databaseUrl)
    problems.push('WRIT_DATABASE_CREDS is set, and DATABASE_URL is not: it says where the database is')
  if (values.vaultCa && !values.vaultCa.includes(CERTIFICATE)) problems.push('VAULT_CACERT holds no certificate')
  const { listen, socket } = listeners(values, problems, warnings)
  if (values.legacyAdmin)
    warnings.push('WRIT_GATE_LEGACY_ADMIN: anybody who reaches this gate may seal it and reload its policies')
  if (values.skipVerify)
    warnings.push('VAULT_SKIP_VERIFY: whoever stands between this gate and Vault reads every token')
  if (values.schedulers.some(name => name === 'test' || name === 'mesos_test')) {
    warnings.push('the scheduler "test" vouches for everything: never in production')
  }
  const wrapMs = Math.min(values.wrapTtl ?? Math.min(600_000, values.taskLife), values.taskLife)
  if (values.wrapTtl !== null && values.wrapTtl > values.taskLife)
    problems.push('WRIT_GATE_WRAP_TTL is longer than TASK_LIFE')
  const userId: UserIdSource | null = values.userIdMethod
    ? {
        method: values.userIdMethod,
        interface: values.userIdInterface,
        path: values.userIdPath,
        hash: values.userIdHash,
        salt: values.userIdSalt?.reveal() ?? '',
      }
    : null
  return {
    values,
    listen,
    socket,
    wire,
    gate: {
      policies: {
        path: values.policyPath || `secret/${values.policies}`,
        nested: values.nested || values.policyPath !== '' || wire === 'v2',
        lastWins: values.policyPath !== '' || wire === 'v2',
        renewable: values.renewable,
      },
      taskLifeMs: values.taskLife,
      clockSkewMs: values.clockSkew,
      wrapTtlSeconds: Math.max(1, Math.floor(wrapMs / 1000)),
      approleMount: values.approleMount,
      hostCheck: values.hostCheck,
      useImageName: values.useImageName,
    },
    credentials: credentialsOf(values, userId, problems, warnings),
    userId,
    vaultCa: authoritiesOf(values, wire, problems),
    warnings,
  }
}

function listeners(values: Values, problems: string[], warnings: string[]) {
  const text = values.listen || (values.tlsCert ? ':9201' : '127.0.0.1:9201')
  if (text.startsWith('/')) return { listen: null, socket: text }
  const [, bracketed, bare = '', port] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d+)$/.exec(text) ?? []
  const host = bracketed ?? bare
  if (port === undefined || Number(port) > 65_535)
    problems.push('LISTEN_ADDR is neither host:port nor the path of a socket')
  if (!values.tlsCert && !isLoopback(host)) {
    warnings.push('listening without TLS on more than loopback: credentials that unseal, and tokens, travel in clear')
  }
  return { listen: { host, port: Number(port) }, socket: values.socket || null }
}

/** The first that is there, in the order of both versions (gatekeeper.md §4.1, §12). */
function credentialsOf(
  values: Values,
  userId: UserIdSource | null,
  problems: string[],
  warnings: string[],
): Credentials | null {
  const { token, tokenFile, cubbyToken, wrappedToken, appId, roleId, kubernetesRole, jwtFile, certRole } = values
  if (token) return { kind: 'token', token }
  if (tokenFile) return { kind: 'token', token: tokenFile }
  if (cubbyToken) return { kind: 'cubby', cubbyToken, path: values.cubbyPath }
  if (wrappedToken) return { kind: 'wrapped-token', wrap: wrappedToken }
  if (appId) {
    if (!userId) problems.push('USER_ID_METHOD is not set: APP_ID needs mac or file')
    return { kind: 'app-id', appId, userId: userId ?? { method: '' } }
  }
  if (roleId) {
    const secretId = values.wrappedSecretId ?? values.secretIdFile ?? values.secretId
    if (!secretId) warnings.push('the AppRole has no SecretID: Vault must ask it for none (WRIT_SECRET_ID_FILE)')
    return { kind: 'approle', roleId, secretId: secretId ?? new Secret(''), wrapped: values.wrappedSecretId !== null }
  }
  if (values.awsLogin || values.awsIam) {
    return { kind: 'aws-ec2', role: values.awsIam || values.awsRole, nonce: values.awsNonce ?? new Secret('') }
  }
  if (kubernetesRole) return { kind: 'kubernetes', role: kubernetesRole, tokenFile: SERVICE_ACCOUNT_TOKEN }
  if (jwtFile) return { kind: 'jwt', role: values.jwtRole, jwt: { file: jwtFile } }
  if (certRole) return { kind: 'cert', name: certRole }
  return null
}

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token'

const CERTIFICATE = '-----BEGIN CERTIFICATE-----'

/** Where both are set, version 1 reads the folder, and version 2 the file (gatekeeper.md §4, §12). */
function authoritiesOf({ vaultCaPath, vaultCa }: Values, wire: Wire, problems: string[]): string | undefined {
  if (vaultCaPath && !(wire === 'v2' && vaultCa)) return authorities(vaultCaPath, problems)
  return vaultCa ?? undefined
}

/** All PEM files of a folder and those below it; one that is none is a mistake, as in vault-gatekeeper. Links to files are followed. */
function authorities(folder: string, problems: string[]): string {
  try {
    const entries = readdirSync(folder, { recursive: true }).map(entry => join(folder, String(entry)))
    const texts = entries.filter(path => statSync(path).isFile()).map(path => readFileSync(path, 'utf8'))
    if (texts.length > 0 && texts.every(text => text.includes(CERTIFICATE))) return texts.join('\n')
    problems.push('VAULT_CAPATH holds a file that is no certificate, or none at all')
  } catch (error) {
    problems.push(`VAULT_CAPATH cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
  return ''
}
