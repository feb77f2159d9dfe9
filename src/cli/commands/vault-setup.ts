import { vaultPath } from '../../server/config-values.ts'
import { clientSettings, findToken, MISSING, vaultOf } from '../client-settings.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { applySetup, readRoleId } from '../vault-setup/apply.ts'
import { DEFAULTS, GATE_ROLE, gatePlan, type Step, setupPlan } from '../vault-setup/plan.ts'

export interface VaultSetupOptions {
  readonly apply?: boolean
  readonly json?: boolean
  readonly jobRole?: string
  readonly jobSecret: readonly string[]
  readonly serverOnly?: boolean
  readonly databaseCreds?: string
  /** Path of the gate's policies, or true for the usual one: only what a gate needs. */
  readonly gate?: string | true
}

const GATE_POLICIES = 'secret/gatekeeper'

/** Prints what Vault needs as `vault` commands, or makes it. */
export async function vaultSetup(options: VaultSetupOptions): Promise<number> {
  const { serverOnly = false, jobSecret: jobSecrets, jobRole = DEFAULTS.jobRole } = options
  if (serverOnly && jobSecrets.length > 0) {
    throw new UsageError('--job-secret changes the policy of jobs, which --server-only leaves as it is')
  }
  const { databaseCreds = '' } = options
  const gate = options.gate === true ? GATE_POLICIES : options.gate
  if (gate !== undefined && (serverOnly || jobSecrets.length > 0 || options.jobRole !== undefined)) {
    throw new UsageError('--gate makes what a gate needs and nothing for jobs: apply the two one after the other')
  }
  checkName('--job-role', jobRole)
  for (const path of jobSecrets) checkRule('--job-secret', path)
  if (gate !== undefined) checkRule('--gate', gate)
  if (databaseCreds) checkRule('--database-creds', databaseCreds)
  const setup = { ...DEFAULTS, serverOnly, jobSecrets, jobRole, databaseCreds: pathOf(databaseCreds) }
  const steps = gate === undefined ? setupPlan(setup) : gatePlan(gate, setup.databaseCreds)
  const role = gate === undefined ? setup.serverRole : GATE_ROLE
  if (!options.apply) {
    if (options.json) printJson(steps)
    else process.stdout.write(`${steps.map(asCommand).join('\n\n')}\n`)
    return EXIT.ok
  }
  const settings = await clientSettings()
  const { vault: address } = settings
  const token = await findToken()
  if (!address || !token) {
    const missing = [...(address ? [] : [MISSING.vault]), ...(token ? [] : [MISSING.token])]
    throw new UsageError(missing.join('\n'), 'Without --apply it is printed, for somebody who may make it.')
  }
  const vault = await vaultOf(settings, address)
  try {
    for (const { step, skipped } of await applySetup(vault, token, steps)) {
      progress(`${skipped ? 'is there' : 'made'}: ${step.what} (${step.path})`)
    }
    const jobs =
      gate !== undefined
        ? {}
        : { WRIT_JOB_ROLE: setup.jobRole, WRIT_JOB_ROLE_ID: await readRoleId(vault, token, setup.jobRole) }
    const ids = { ...jobs, WRIT_ROLE_ID: await readRoleId(vault, token, role) }
    if (options.json) printJson(ids)
    else
      process.stdout.write(
        `${Object.entries(ids)
          .map(([name, value]) => `${name}=${value}`)
          .join('\n')}\n`,
      )
    progress(
      `its SecretID: (umask 077; vault write -f -field=secret_id auth/approle/role/${role}/secret-id > FILE); then WRIT_SECRET_ID_FILE=FILE`,
    )
    return EXIT.ok
  } finally {
    await vault.close()
  }
}

function pathOf(databaseCreds: string): string {
  try {
    return vaultPath(databaseCreds)
  } catch (error) {
    throw new UsageError(`--database-creds ${(error as Error).message}`)
  }
}

/** As Vault names roles, keys and policies. It stands in paths, in policies and in what a shell reads, and is nothing else in any of them. */
function checkName(option: string, text: string): void {
  if (/^\w(?:[\w.-]*\w)?$/.test(text)) return
  throw new UsageError(`${option} is no name in Vault`, 'Letters, digits and _ may be in it, and . and - between them.')
}

/** The attack: a path that ends its rule, its policy or the here-document around it, and goes on with something else. */
function checkRule(option: string, text: string): void {
  if (text.trim() !== '' && !/["\\\p{Cc}]|\$\{/u.test(text)) return
  throw new UsageError(
    `${option} is no path in Vault that a policy can name`,
    'Write it as secret/data/app, or with a star at its end; no quotes, backslashes, ${ or line ends.',
  )
}

/** A step as a command that can be read, changed and run by hand, and be run again. */
function asCommand({ what, path, body, unless }: Step): string {
  const policy = typeof body.policy === 'string' ? body.policy : null
  if (policy) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    return `# ${what}\nvault policy write ${name} - <<'EOF'\n${policy}EOF`
  }
  const fields = Object.entries(body).map(([key, value]) => `${key}=${Array.isArray(value) ? value.join(',') : value}`)
  const write = `vault write ${fields.length ? '' : '-f '}${[path, ...fields].join(' ')}`
  // a key of that name is left as it is by Vault itself
  const mount = unless !== undefined && unless.list !== 'key'
  return `# ${what}\n${mount ? `vault read ${path}/tune > /dev/null 2>&1 || ` : ''}${write}`
}
