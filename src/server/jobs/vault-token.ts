import { WritError } from '../../protocol/errors.ts'
import type { JobSpec } from '../../protocol/job.ts'
import { isVaultError } from '../../vault/error.ts'
import type { VaultAuth } from '../../vault/response.ts'
import type { Secret } from '../../vault/secret.ts'
import { createToken } from '../../vault/token.ts'
import { record } from '../audit/audit.ts'
import type { Hold } from '../store/runs.ts'
import { asUnavailable } from './caller.ts'
import type { Engine } from './engine.ts'

/** Which Vault token the container gets (ADR 9). */
export type VaultTokenChoice =
  /** The job's own, as GoStint does. */
  | { readonly kind: 'inherit' }
  | { readonly kind: 'none' }
  /** A child of the job's own with some of its policies; `uses` 0: no limit. */
  | { readonly kind: 'child'; readonly policies: readonly string[]; readonly uses: number }

/** Reads what a job asks for. Throws `vault_token_invalid`. */
export function readVaultToken(spec: JobSpec): VaultTokenChoice {
  const kind = spec.vault_token || 'inherit'
  const policies = spec.vault_token_policies ?? []
  const uses = spec.vault_token_uses ?? 0
  if (kind === 'child') {
    if (policies.length === 0) throw new WritError('vault_token_invalid', 'a child token needs vault_token_policies')
    return { kind, policies, uses }
  }
  // The attack is a mistake: whoever names policies believes that the token has no others
  if (policies.length > 0 || uses > 0)
    throw new WritError('vault_token_invalid', 'vault_token_policies and vault_token_uses go with "child"')
  return { kind }
}

/** Whether the authority can give what the job asks for: said to the caller, not hours later. Throws `vault_token_refused`. */
export function checkVaultToken(choice: VaultTokenChoice, authority: VaultAuth): void {
  if (choice.kind !== 'child') return
  const missing = choice.policies.filter(name => !authority.policies.includes(name))
  if (missing.length > 0) throw new WritError('vault_token_refused', `${missing.join(', ')} is no policy of the job`)
}

/** Longer than any job's own token lives; Vault caps it, and ends the child with its parent in any case. */
const CHILD_TTL = '768h'

/** The token that goes into the container, if any. Throws `vault_token_refused`. */
export async function giveToken(
  engine: Engine,
  hold: Hold,
  choice: VaultTokenChoice,
  own: Secret,
  signal?: AbortSignal,
): Promise<Secret | null> {
  if (choice.kind === 'none') return null
  if (choice.kind === 'inherit') return own
  const { policies, uses } = choice
  try {
    const wanted = {
      policies,
      num_uses: uses,
      ttl: CHILD_TTL,
      display_name: 'writ-job',
      // without this Vault adds a policy that nobody named
      no_default_policy: true,
      renewable: false,
    }
    const { token } = await createToken(engine.vault, own, wanted, signal)
    const detail = { policies, uses }
    await record(engine.db, { action: 'job.token_narrowed', job: hold.id, actor: hold.node, detail })
    return token
  } catch (error) {
    if (isVaultError(error, 'denied', 'invalid', 'not_found')) {
      const reason = error.kind === 'denied' ? 'no power to make child tokens' : error.errors.join('; ')
      throw new WritError('vault_token_refused', reason, { cause: error })
    }
    throw asUnavailable(error)
  }
}
