import { Clock, type DevVault, startDevVault } from '../src/dev-vault/index.ts'
import { Vault, type VaultCall } from '../src/vault/client.ts'
import { Secret } from '../src/vault/secret.ts'
import { createToken, type TokenRequest } from '../src/vault/token.ts'

export interface TestVault {
  readonly dev: DevVault
  readonly vault: Vault
  readonly root: Secret
  /** What the client has asked, in order. */
  readonly calls: readonly string[]
  /** Writes with the root token. */
  write(path: string, body: unknown): Promise<void>
  /** A child of the root token. */
  token(wanted: TokenRequest): Promise<Secret>
  close(): Promise<void>
}

/** The embedded Vault with a clock that the test moves, and a client for it that does not wait long. */
export async function startTestVault(): Promise<TestVault> {
  const dev = await startDevVault({ clock: new Clock() })
  const calls: string[] = []
  const onCall = ({ method, path }: VaultCall) => calls.push(`${method} ${path}`)
  const vault = new Vault({ address: dev.address, retry: { retries: 1, firstDelayMs: 1 }, onCall })
  const root = new Secret(dev.rootToken)
  return {
    dev,
    vault,
    calls,
    root,
    write: async (path, body) => void (await vault.send({ method: 'POST', path, token: root, body })),
    token: async wanted => (await createToken(vault, root, wanted)).token,
    close: async () => {
      await vault.close()
      await dev.close()
    },
  }
}

/** With what a requestor needs to seal jobs for the role `writ-job`, and a policy `all` that lets him. */
export async function startJobVault(): Promise<TestVault> {
  const t = await startTestVault()
  await t.write('sys/auth/approle', { type: 'approle' })
  await t.write('auth/approle/role/writ-job', { token_policies: ['default'] })
  await t.write('sys/mounts/transit', { type: 'transit' })
  await t.write('transit/keys/writ-job', {})
  await t.write('sys/policies/acl/all', { policy: 'path "*" { capabilities = ["create", "update", "read", "sudo"] }' })
  return t
}
