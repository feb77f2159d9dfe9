import closeWithGrace from 'close-with-grace'
import { startDevVault } from '../../dev-vault/index.ts'
import { UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'

export interface DevVaultOptions {
  readonly listen: string
  readonly rootToken?: string
  readonly json?: boolean
}

/** Runs the embedded Vault until it is told to stop. */
export async function devVault(options: DevVaultOptions): Promise<void> {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(options.listen) ?? []
  if (!host || !port) throw new UsageError('--listen is not host:port')
  const { rootToken } = options
  const vault = await startDevVault({ host, port: Number(port), ...(rootToken ? { rootToken } : {}) })
  closeWithGrace({ delay: 5_000, logger: false }, async () => await vault.close())
  if (options.json) printJson({ vault: vault.address, root_token: vault.rootToken })
  else {
    progress('everything is kept in memory and gone at the end: for trying and testing, never for production')
    process.stdout.write(`export VAULT_ADDR=${vault.address}\nexport VAULT_TOKEN=${vault.rootToken}\n`)
  }
}
