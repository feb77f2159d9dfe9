import { Vault } from '../../vault/client.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { applySetup, readRoleId } from '../vault-setup/apply.ts'
import { DEFAULTS, type Step, setupPlan } from '../vault-setup/plan.ts'
import { findToken } from './connect.ts'

export interface VaultSetupOptions {
  readonly apply?: boolean
  readonly json?: boolean
  readonly jobRole?: string
  readonly jobSecret: readonly string[]
  readonly serverOnly?: boolean
}

/** Prints what Vault needs as `vault` commands, or makes it. */
export async function vaultSetup(options: VaultSetupOptions): Promise<number> {
  const { serverOnly = false, jobSecret: jobSecrets, jobRole = DEFAULTS.jobRole } = options
  if (serverOnly && jobSecrets.length > 0) {
    throw new UsageError('--job-secret changes the policy of jobs, which --server-only leaves as it is')
  }
  const setup = { ...DEFAULTS, serverOnly, jobSecrets, jobRole }
  const steps = setupPlan(setup)
  if (!options.apply) {
    if (options.json) printJson(steps)
    else process.stdout.write(`${steps.map(asCommand).join('\n\n')}\n`)
    return EXIT.ok
  }
  const address = process.env.VAULT_ADDR
  const token = await findToken()
  if (!address || !token) throw new UsageError('VAULT_ADDR and VAULT_TOKEN are needed to apply it')
  const vault = new Vault({ address, namespace: process.env.VAULT_NAMESPACE })
  try {
    for (const { step, skipped } of await applySetup(vault, token, steps)) {
      progress(`${skipped ? 'is there' : 'made'}: ${step.what} (${step.path})`)
    }
    const ids = {
      WRIT_JOB_ROLE: setup.jobRole,
      WRIT_JOB_ROLE_ID: await readRoleId(vault, token, setup.jobRole),
      WRIT_ROLE_ID: await readRoleId(vault, token, setup.serverRole),
    }
    if (options.json) printJson(ids)
    else
      process.stdout.write(
        `${Object.entries(ids)
          .map(([name, value]) => `${name}=${value}`)
          .join('\n')}\n`,
      )
    progress(
      `the server's SecretID: vault write -f -field=secret_id auth/approle/role/${setup.serverRole}/secret-id > FILE; then WRIT_SECRET_ID_FILE=FILE`,
    )
    return EXIT.ok
  } finally {
    await vault.close()
  }
}

/** A step as a command that can be read, changed and run by hand. */
function asCommand({ what, path, body }: Step): string {
  const policy = typeof body.policy === 'string' ? body.policy : null
  if (policy) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    return `# ${what}\nvault policy write ${name} - <<'EOF'\n${policy}EOF`
  }
  const fields = Object.entries(body).map(([key, value]) => `${key}=${Array.isArray(value) ? value.join(',') : value}`)
  return `# ${what}\nvault write ${fields.length ? '' : '-f '}${[path, ...fields].join(' ')}`
}
