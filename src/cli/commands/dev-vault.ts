import closeWithGrace from 'close-with-grace'
import { type DevVault, startDevVault } from '../../dev-vault/index.ts'
import { certificateFor, type TlsOptions } from '../dev-vault/certificate.ts'
import { listenAddress } from '../dev-vault/listen-address.ts'
import { UsageError } from '../failure.ts'
import { printJson, progress } from '../print.ts'
import { quoted } from '../shell-word.ts'

export interface DevVaultOptions extends TlsOptions {
  readonly listen: string
  readonly allowRemote?: boolean
  readonly rootToken?: string
  readonly seed?: string
  readonly json?: boolean
}

/** Runs the embedded Vault until it is told to stop. */
export async function devVault(options: DevVaultOptions): Promise<void> {
  const { rootToken } = options
  if (rootToken === '') throw new UsageError('--root-token is empty')
  const address = listenAddress(options.listen, options.allowRemote ?? false)
  // Checked before anything listens: a seed with a mistake in it starts nothing.
  const sow = options.seed === undefined ? undefined : await sower(options.seed)
  const tls = await certificateFor(options, address.host)
  let vault: DevVault | undefined
  const close = async () => {
    await vault?.close()
    await tls?.remove()
  }
  try {
    vault = await start({ ...address, ...(tls && { tls }), ...(rootToken === undefined ? {} : { rootToken }) })
    await sow?.(vault)
  } catch (error) {
    await close()
    throw error
  }
  closeWithGrace({ delay: 5_000, logger: false }, close)
  if (options.json) {
    const { address: url, rootToken: token, unsealKey } = vault
    printJson({ vault: url, root_token: token, unseal_key: unsealKey, ...(tls?.caFile && { ca_cert: tls.caFile }) })
    return
  }
  progress('everything is kept in memory and gone at the end: for trying and testing, never for production')
  const settings = { VAULT_ADDR: vault.address, VAULT_TOKEN: vault.rootToken, VAULT_CACERT: tls?.caFile }
  const lines = Object.entries(settings).flatMap(([name, value]) =>
    value ? [`export ${name}=${quoted(value)}\n`] : [],
  )
  process.stdout.write(lines.join(''))
}

/** Loaded when there is a seed: the YAML parser is a tenth of the time to start. */
async function sower(file: string): Promise<(vault: DevVault) => Promise<void>> {
  const { applySeed, loadSeed } = await import('../dev-vault/apply-seed.ts')
  const seed = await loadSeed(file)
  return vault => applySeed(vault, seed, file)
}

async function start(options: Parameters<typeof startDevVault>[0]): Promise<DevVault> {
  try {
    return await startDevVault(options)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new UsageError(`port ${options?.port} is taken`, '--listen 127.0.0.1:0 takes a free one.')
    if (code?.startsWith('ERR_OSSL')) throw new UsageError(`the certificate and key cannot be used: ${message}`)
    throw error
  }
}
