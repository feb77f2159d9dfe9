import { pino } from 'pino'
import { expect } from 'vitest'
import type { Credentials } from '../src/server/identity/credentials.ts'
import { Identity, type IdentityOptions } from '../src/server/identity/identity.ts'
import { Secret } from '../src/vault/secret.ts'
import { createWrappedToken, lookupSelf, revokeSelf } from '../src/vault/token.ts'
import { startTestVault, type TestVault } from './dev-vault.ts'

/** A Vault, and identities whose time is moved by the test. */
export class IdentityBench {
  readonly stack: TestVault
  readonly lines: string[] = []
  /** What the identity means to do next, and when. */
  planned: { ms: number; action: () => Promise<void> } | null = null
  readonly #open: Identity[] = []

  private constructor(stack: TestVault) {
    this.stack = stack
  }

  static async start(): Promise<IdentityBench> {
    const stack = await startTestVault()
    await stack.write('sys/auth/approle', { type: 'approle' })
    return new IdentityBench(stack)
  }

  async close(): Promise<void> {
    for (const identity of this.#open.splice(0)) await identity.close()
    await this.stack.close()
  }

  identityOf(credentials: Credentials | null, vault = this.stack.vault, options: IdentityOptions = {}): Identity {
    const log = pino({ level: 'trace' }, { write: line => this.lines.push(line) })
    const identity = new Identity(vault, credentials, log, {
      ...options,
      timer: (ms, action) => {
        const mine = { ms, action }
        this.planned = mine
        return () => {
          if (this.planned === mine) this.planned = null
        }
      },
    })
    this.#open.push(identity)
    return identity
  }

  async appRole(settings: object): Promise<Credentials & { kind: 'approle' }> {
    const { vault, root, write } = this.stack
    await write('auth/approle/role/server', { token_policies: ['default'], ...settings })
    const ask = (method: 'GET' | 'POST', what: string) =>
      vault.send({ method, path: `auth/approle/role/server/${what}`, token: root })
    const roleId = String((await ask('GET', 'role-id'))?.data?.role_id)
    const secretId = new Secret(String((await ask('POST', 'secret-id'))?.data?.secret_id))
    return { kind: 'approle', roleId, secretId }
  }

  /** Credentials that somebody may unseal with; a user's are good until `end`. */
  async offer(kind: 'token' | 'wrapped-token' | 'userpass'): Promise<Credentials> {
    const { stack } = this
    if (kind === 'token') return { kind, token: await stack.token({ policies: ['default'], ttl: '1h' }) }
    if (kind === 'wrapped-token') {
      const wanted = { policies: ['default'], ttl: '1h' }
      return { kind, wrap: (await createWrappedToken(stack.vault, stack.root, wanted, 60)).token }
    }
    await stack.write('sys/auth/userpass', { type: 'userpass' })
    await stack.write('auth/userpass/users/ann', { password: 'correct horse' })
    return { kind, username: 'ann', password: new Secret('correct horse') }
  }

  /** Revokes a token, and removes the user that it may be of. */
  async end(token: Secret): Promise<void> {
    const { vault, root } = this.stack
    await revokeSelf(vault, token)
    const call = { method: 'DELETE', path: 'auth/userpass/users/ann', token: root } as const
    await vault.send(call).catch(() => {})
  }

  /** Lets the planned moment come. */
  async elapse(): Promise<number> {
    const next = this.planned ?? expect.fail('nothing is planned')
    this.planned = null
    this.stack.dev.clock.advance(next.ms)
    await next.action()
    return next.ms
  }

  async alive(token: Secret): Promise<boolean> {
    return await lookupSelf(this.stack.vault, token).then(
      () => true,
      () => false,
    )
  }
}
