import { resolve } from 'node:path'
import closeWithGrace from 'close-with-grace'
import { createLog } from '../../server/log.ts'
import { startDevStack } from '../dev/dev-stack.ts'
import { printJson, progress } from '../print.ts'

export interface DevOptions {
  readonly port: number
  readonly data?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Starts everything on embedded parts and stays until it is told to stop. */
export async function dev(options: DevOptions): Promise<void> {
  const log = createLog(options.quiet ? 'silent' : (process.env.WRIT_LOG_LEVEL ?? 'warn'), process.stderr)
  const starting = startDevStack({
    port: options.port,
    data: options.data === undefined ? undefined : resolve(options.data),
    log,
  })
  // not only when it is ready: its PostgreSQL is a process of its own, which outlives a Ctrl-C before
  let ending = false
  const grace = closeWithGrace({ delay: 20_000, logger: false }, async () => {
    ending = true
    await (await starting).close()
  })
  const stack = await starting.catch(error => {
    grace.uninstall()
    throw error
  })
  if (ending) return

  if (options.json) {
    printJson({
      server: stack.server,
      node: stack.node,
      vault: stack.vault,
      database_url: stack.databaseUrl,
      vault_root_token: stack.rootToken.reveal(),
      requestor_token: stack.requestorToken.reveal(),
      job_role: stack.jobRole,
      job_role_id: stack.jobRoleId,
      server_role_id: stack.serverRoleId,
    })
    return
  }
  progress('ready; Vault is in memory and gone at the end: for trying and developing, never for production')
  const settings = {
    WRIT_ADDR: stack.server,
    VAULT_ADDR: stack.vault,
    VAULT_TOKEN: stack.requestorToken.reveal(),
  }
  const exports = Object.entries(settings).map(([name, value]) => `export ${name}=${value}`)
  process.stdout.write(`${exports.join('\n')}\n`)
  progress(
    'in another terminal, with the three lines above: writ run --image busybox --secret-ref NAME@secret/data/hello.name -- cat /secrets.yml',
  )
}
