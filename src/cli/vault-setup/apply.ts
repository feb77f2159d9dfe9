import type { Vault } from '../../vault/client.ts'
import { isVaultError } from '../../vault/error.ts'
import { text } from '../../vault/response.ts'
import type { Secret } from '../../vault/secret.ts'
import type { Step } from './plan.ts'

export interface Applied {
  readonly step: Step
  readonly skipped: boolean
}

/** Does the steps in order; what is there already is left as it is. Throws `VaultError` at the first that fails. */
export async function applySetup(vault: Vault, token: Secret, steps: readonly Step[]): Promise<Applied[]> {
  const applied: Applied[] = []
  for (const step of steps) {
    const skipped = step.unless !== undefined && (await isThere(vault, token, step.unless))
    if (!skipped) await vault.send({ method: step.method, path: step.path, token, body: step.body })
    applied.push({ step, skipped })
  }
  return applied
}

async function isThere(vault: Vault, token: Secret, what: NonNullable<Step['unless']>): Promise<boolean> {
  if (what.list === 'key') {
    try {
      await vault.send({ method: 'GET', path: `transit/keys/${what.name}`, token })
      return true
    } catch (error) {
      if (isVaultError(error, 'not_found')) return false
      throw error
    }
  }
  const listed = await vault.send({ method: 'GET', path: `sys/${what.list}`, token })
  return Object.hasOwn(listed?.data ?? {}, what.name)
}

/** The RoleID of an AppRole. */
export async function readRoleId(vault: Vault, token: Secret, role: string): Promise<string> {
  const answer = await vault.send({ method: 'GET', path: `auth/approle/role/${role}/role-id`, token })
  return text(answer?.data?.role_id, 'role_id')
}
