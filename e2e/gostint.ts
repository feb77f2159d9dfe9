import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Secret } from '../src/vault/secret.ts'
import { lookupSelf } from '../src/vault/token.ts'
import { type Result, Terminal } from './command.ts'
import { Courier } from './recording-courier.ts'
import { type ServerProcess, type Stack, startStack } from './stack.ts'

const MAIN = resolve('src/cli/gostint-client/main.ts')

export interface Call {
  readonly url?: string
  readonly vault?: string
  /** Instead of `-vault-token`. */
  readonly login?: readonly string[]
  readonly env?: Record<string, string>
  readonly onOutput?: (text: string) => NodeJS.Signals | undefined
  /** Where it is called; by default a folder of its own. */
  readonly cwd?: string
  /** Another program of the same flags in place of ours. */
  readonly program?: readonly string[]
}

/** A user of GoStint who kept her scripts: a whole system, and `gostint-client` to use it with. */
export class Gostint {
  readonly stack: Stack
  readonly server: ServerProcess
  /** For files; removed in the end. */
  readonly folder: string
  readonly token: string
  readonly roleId: string
  readonly secretId: string
  readonly #couriers: Courier[] = []

  private constructor(
    stack: Stack,
    server: ServerProcess,
    folder: string,
    login: { roleId: string; secretId: string },
  ) {
    this.stack = stack
    this.server = server
    this.folder = folder
    this.token = stack.identities.requestorToken.reveal()
    this.roleId = login.roleId
    this.secretId = login.secretId
  }

  static async open(): Promise<Gostint> {
    const stack = await startStack()
    const server = await stack.startServer()
    const body = { data: { password: 'tr0ub4dor-and-3' } }
    await stack.vault.send({ method: 'POST', path: 'secret/data/app', token: stack.root, body })
    return new Gostint(stack, server, await mkdtemp(join(tmpdir(), 'writ-gostint-')), await requestorLogin(stack))
  }

  /** The command, as such a user calls it, but in more of a hurry. */
  async run(args: readonly string[], call: Call = {}): Promise<Result> {
    const terminal = await Terminal.open({ ...call.env })
    const command = [
      ...(call.program ?? [process.execPath, MAIN]),
      `-url=${call.url ?? this.server.address}`,
      `-vault-url=${call.vault ?? this.stack.vault.address}`,
      ...(call.login ?? [`-vault-token=${this.token}`]),
      '-gostint-approle=writ-job',
      '-poll-interval=0',
      ...args,
    ]
    // exec: a signal is for the command, and not for a shell around it
    return await terminal.run('sh', ['-c', 'cd "$0" && exec "$@"', call.cwd ?? '.', ...command], call.onOutput)
  }

  /** The flags of a job that runs this line. */
  shell(script: string): string[] {
    return [`-image=${this.stack.image}`, `-run=${JSON.stringify(['sh', '-c', script])}`]
  }

  /** A courier to this address, by default the server's; closed in the end. */
  async courier(to = this.server.address): Promise<Courier> {
    const courier = await Courier.to(to)
    this.#couriers.push(courier)
    return courier
  }

  async isAlive(token: string): Promise<boolean> {
    return await lookupSelf(this.stack.vault, new Secret(token)).then(
      () => true,
      () => false,
    )
  }

  async close(): Promise<void> {
    for (const courier of this.#couriers) await courier.close()
    await this.stack.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** What one needs to log in by the role of the stack's requestor. */
async function requestorLogin(stack: Stack): Promise<{ roleId: string; secretId: string }> {
  const path = 'auth/approle/role/writ-requestor'
  const [role, secret] = await Promise.all([
    stack.vault.send({ method: 'GET', path: `${path}/role-id`, token: stack.root }),
    stack.vault.send({ method: 'POST', path: `${path}/secret-id`, token: stack.root, body: {} }),
  ])
  return { roleId: String(role?.data?.role_id), secretId: String(secret?.data?.secret_id) }
}
