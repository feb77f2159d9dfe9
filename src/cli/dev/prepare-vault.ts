import { loginAppRole } from '../../vault/approle.ts'
import type { Vault } from '../../vault/client.ts'
import { text } from '../../vault/response.ts'
import { Secret } from '../../vault/secret.ts'
import { applySetup, readRoleId } from '../vault-setup/apply.ts'
import { DEFAULTS, setupPlan } from '../vault-setup/plan.ts'

/** Who can log in to a Vault that was prepared for the quick start. */
export interface Identities {
  readonly jobRoleId: string
  readonly serverRoleId: string
  readonly serverSecretId: Secret
  /** Logged in by an AppRole with the requestor's policy, so it has an identity as a person's token has. */
  readonly requestorToken: Secret
}

/** Jobs of the quick start may read what is in the two usual places for secrets. */
const JOB_SECRETS = ['secret/data/*', 'kv/*']

/** As an administrator would do it: `writ vault-setup --apply`, a requestor who can log in, and something to read. */
export async function prepareVault(vault: Vault, root: Secret): Promise<Identities> {
  await applySetup(vault, root, setupPlan({ ...DEFAULTS, jobSecrets: JOB_SECRETS }))
  await vault.send({
    method: 'POST',
    path: 'secret/data/hello',
    token: root,
    body: { data: { name: 'world', password: 'correct-horse-battery' } },
  })
  return {
    jobRoleId: await readRoleId(vault, root, DEFAULTS.jobRole),
    serverRoleId: await readRoleId(vault, root, DEFAULTS.serverRole),
    serverSecretId: await newSecretId(vault, root, DEFAULTS.serverRole),
    requestorToken: await loginRequestor(vault, root, 'writ-requestor'),
  }
}

const WATCHES = 'writ-dev-watches'

/** Somebody who may also make watches. */
export async function loginWatcher(vault: Vault, root: Secret, name: string): Promise<Secret> {
  const policy = 'path "writ/watches/*" { capabilities = ["create", "read", "update", "delete", "list"] }'
  await vault.send({ method: 'POST', path: `sys/policies/acl/${WATCHES}`, token: root, body: { policy } })
  return await loginRequestor(vault, root, name, [WATCHES])
}

/** A requestor of this name: an AppRole, and so an identity, of its own. */
export async function loginRequestor(
  vault: Vault,
  root: Secret,
  name: string,
  policies: readonly string[] = [],
): Promise<Secret> {
  await vault.send({
    method: 'POST',
    path: `auth/approle/role/${name}`,
    token: root,
    body: { token_policies: [DEFAULTS.requestorPolicy, ...policies], token_period: '24h' },
  })
  const roleId = await readRoleId(vault, root, name)
  return (await loginAppRole(vault, { roleId, secretId: await newSecretId(vault, root, name) })).token
}

/** The settings of a server for such a Vault. */
export function serverSettings(identities: Identities): Record<string, string> {
  return {
    WRIT_JOB_ROLE: DEFAULTS.jobRole,
    WRIT_JOB_ROLE_ID: identities.jobRoleId,
    WRIT_ROLE_ID: identities.serverRoleId,
    GOSTINT_RUN_SECRETID: identities.serverSecretId.reveal(),
  }
}

async function newSecretId(vault: Vault, token: Secret, role: string): Promise<Secret> {
  const answer = await vault.send({ method: 'POST', path: `auth/approle/role/${role}/secret-id`, token, body: {} })
  return new Secret(text(answer?.data?.secret_id, 'secret_id'))
}
