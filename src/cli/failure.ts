import { CommanderError } from 'commander'
import { RequestError } from '../client/error.ts'
import { WritError } from '../protocol/errors.ts'
import { VaultError } from '../vault/error.ts'
import { printable, printableLines } from './printable.ts'

/** Exit codes of the command (docs/cli.md). `run` and `logs -f` exit with the job's own code if it ran. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** The job did not run: refused, or failed before its command began. As `docker run` says it. */
  notRun: 125,
  /** As a program that ends by SIGPIPE. */
  unread: 141,
} as const

/** The command was used in a way that cannot work. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly next: string
  constructor(message: string, next = '', options?: ErrorOptions) {
    super(message, options)
    this.next = next
  }
}

/** What went wrong, and the next thing to try, for a person; never a stack trace, never a secret. Returns the exit code. */
export function reportFailure(error: unknown, err: NodeJS.WritableStream): number {
  // commander has said it already; `--help` and `--version` come this way too
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  const { message, next } = describe(error)
  // a courier may have made it; only our own words are several lines
  const said = error instanceof RequestError || error instanceof WritError || error instanceof VaultError
  err.write(`writ: ${said ? printable(message) : printableLines(message)}\n`)
  if (next) err.write(`next: ${printable(next)}\n`)
  return error instanceof UsageError ? EXIT.usage : EXIT.failed
}

function describe(error: unknown): { message: string; next: string } {
  if (error instanceof UsageError) return { message: error.message, next: error.next }
  if (error instanceof RequestError) return { message: `${error.message} (${error.code})`, next: error.remedy }
  if (error instanceof WritError) return { message: `${error.message} (${error.code})`, next: error.entry.remedy }
  if (error instanceof VaultError) return { message: error.message, next: adviceOn(error) }
  if (error instanceof Error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    return {
      message: error.message,
      next: taken ? 'Something listens there already; choose another port (WRIT_PORT, or --port).' : '',
    }
  }
  return { message: 'something failed without saying what', next: '' }
}

function adviceOn(error: VaultError): string {
  switch (error.kind) {
    case 'denied':
      return 'Check your token and its policies; `writ vault-setup` prints the policy that a requestor needs.'
    case 'not_found':
      return '`writ vault-setup` prints what writ needs in Vault, and --apply makes it.'
    case 'unavailable':
      return 'Check VAULT_ADDR, and that Vault is up and unsealed.'
    case 'invalid':
      return ''
  }
}
