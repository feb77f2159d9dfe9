/** What writ needs in Vault, as data: the same list is printed, applied and documented. */
export interface Step {
  readonly what: string
  readonly method: 'POST' | 'PUT'
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
  /** Skipped when this is there already: making it again would be an error, or would replace a key. */
  readonly unless?: { readonly list: 'mounts' | 'auth' | 'key'; readonly name: string }
}

export interface SetupOptions {
  /** AppRole of jobs, and the name of the key that envelopes are sealed with. */
  readonly jobRole: string
  readonly serverRole: string
  readonly serverKey: string
  readonly requestorPolicy: string
  /** Paths that jobs may read, as in a policy: `secret/data/*`. */
  readonly jobSecrets: readonly string[]
  /** The role of jobs, its key and policies are there already (GoStint's): leave them as they are. */
  readonly serverOnly: boolean
  /** Where the server reads the user for its database, `database/creds/writ`; empty when its address says who it is. */
  readonly databaseCreds: string
}

export const DEFAULTS: SetupOptions = {
  jobRole: 'writ-job',
  serverRole: 'writ-server',
  serverKey: 'writ-server',
  requestorPolicy: 'writ-requestor',
  jobSecrets: [],
  serverOnly: false,
  databaseCreds: '',
}

const APPROLE: Step = {
  what: 'AppRole logins',
  method: 'POST',
  path: 'sys/auth/approle',
  body: { type: 'approle' },
  unless: { list: 'auth', name: 'approle/' },
}

export function setupPlan(options: SetupOptions): Step[] {
  const { jobRole, serverRole, serverKey, requestorPolicy, serverOnly } = options
  const jobs: Step[] = [
    key(jobRole, 'the key that requestors seal with and only jobs open'),
    policy(jobRole, 'what a job may do', jobPolicy(options)),
    policy(requestorPolicy, 'what someone needs to submit jobs', requestorPolicyText(options)),
    {
      what: 'the role of jobs: each SecretID is good for one login',
      method: 'POST',
      path: `auth/approle/role/${jobRole}`,
      body: {
        token_policies: [jobRole],
        secret_id_num_uses: 1,
        secret_id_ttl: '1h',
        token_ttl: '20m',
        token_max_ttl: '24h',
      },
    },
  ]
  return [
    APPROLE,
    {
      what: 'transit encryption',
      method: 'POST',
      path: 'sys/mounts/transit',
      body: { type: 'transit' },
      unless: { list: 'mounts', name: 'transit/' },
    },
    ...(serverOnly ? [] : jobs),
    key(serverKey, 'the key that the server keeps waiting jobs encrypted with'),
    policy(serverRole, 'what the server may do by itself: nothing with your secrets', serverPolicy(options)),
    {
      what: 'the role of the server',
      method: 'POST',
      path: `auth/approle/role/${serverRole}`,
      body: { token_policies: [serverRole], token_period: '1h' },
    },
  ]
}

export const GATE_ROLE = 'writ-gate'

/** For a gate that is alone: its policies at `policyPath` (`secret/gatekeeper`), and the making of tokens. */
export function gatePlan(policyPath: string, databaseCreds = ''): Step[] {
  return [
    APPROLE,
    policy(
      GATE_ROLE,
      'what the gate may do: make any token, so guard it as you guard Vault',
      gatePolicy(policyPath, databaseCreds),
    ),
    {
      what: 'the role of the gate',
      method: 'POST',
      path: `auth/approle/role/${GATE_ROLE}`,
      body: { token_policies: [GATE_ROLE], token_period: '1h' },
    },
  ]
}

/**
 * KV mounts of both versions, and the documents below the path, which version 2 and `GATE_POLICIES_NESTED` read as well; `sudo`, because
 * tokens of tasks are no children of the gate's and outlive it (gatekeeper.md §8.6).
 */
function gatePolicy(policyPath: string, databaseCreds: string): string {
  const { mount, name } = mountAndName(policyPath)
  return [
    // a rule for the path itself counts for listing it as well, before the one with a star
    ...[`${mount}/${name}`, `${mount}/${name}/*`].map(path => rule(path, ['read', 'list'])),
    ...[`${mount}/data/${name}`, `${mount}/data/${name}/*`].map(path => rule(path, ['read'])),
    rule(`${mount}/metadata/${name}/*`, ['list']),
    rule('auth/token/create', ['create', 'update', 'sudo']),
    rule('auth/token/revoke-accessor', ['update']),
    rule('auth/approle/role/+/role-id', ['read']),
    rule('auth/approle/role/+/secret-id', ['update']),
    ...(databaseCreds
      ? [rule(databaseCreds, ['read']), rule('sys/leases/renew', ['update']), rule('sys/leases/revoke', ['update'])]
      : []),
  ].join('\n')
}

/** `team/kv/data/gatekeeper` says where its mount ends; without `data` in it, that is the first part. */
function mountAndName(policyPath: string): { mount: string; name: string } {
  const parts = policyPath.split('/').filter(Boolean)
  const data = parts.indexOf('data', 1)
  const named = data > 0 && data < parts.length - 1
  return {
    mount: parts.slice(0, named ? data : 1).join('/'),
    name: parts.slice(named ? data + 1 : 1).join('/'),
  }
}

function key(name: string, what: string): Step {
  return { what, method: 'POST', path: `transit/keys/${name}`, body: {}, unless: { list: 'key', name } }
}

function policy(name: string, what: string, text: string): Step {
  return { what, method: 'PUT', path: `sys/policies/acl/${name}`, body: { policy: text } }
}

function rule(path: string, capabilities: readonly string[], extra = ''): string {
  return `path "${path}" {\n  capabilities = [${capabilities.map(item => `"${item}"`).join(', ')}]${extra}\n}\n`
}

function jobPolicy({ jobRole, jobSecrets }: SetupOptions): string {
  return [
    rule(`transit/decrypt/${jobRole}`, ['update']),
    // children of a job's token: fewer policies, and they end with it (ADR 9)
    rule('auth/token/create', ['update']),
    ...jobSecrets.map(path => rule(path, ['read'])),
  ].join('\n')
}

/** By accessor only: the server renews and ends the tokens and leases of jobs without spending the uses of a token. */
function serverPolicy({ serverKey, databaseCreds }: SetupOptions): string {
  return [
    rule(`transit/encrypt/${serverKey}`, ['update']),
    rule(`transit/decrypt/${serverKey}`, ['update']),
    rule('auth/token/renew-accessor', ['update']),
    rule('auth/token/revoke-accessor', ['update']),
    rule('sys/leases/renew', ['update']),
    rule('sys/leases/revoke', ['update']),
    ...(databaseCreds ? [rule(databaseCreds, ['read'])] : []),
  ].join('\n')
}

/** A bound on the wrapping refuses a SecretID that is not wrapped: no requestor ever sees one, not even by mistake. */
function requestorPolicyText({ jobRole }: SetupOptions): string {
  return [
    rule('auth/token/create', ['create', 'update']),
    rule(
      `auth/approle/role/${jobRole}/secret-id`,
      ['create', 'update'],
      '\n  min_wrapping_ttl = "1s"\n  max_wrapping_ttl = "144h"',
    ),
    rule(`transit/encrypt/${jobRole}`, ['update']),
  ].join('\n')
}
