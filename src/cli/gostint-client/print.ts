import { RequestError } from '../../client/error.ts'
import { isVaultError } from '../../vault/error.ts'
import { printable } from '../printable.ts'
import { isLive, type JobStatus } from './job-answer.ts'
import { OptionsError } from './options.ts'

/** A stream that may be a terminal. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; hasColors?(): boolean }

/** Says what is being done; made of names and numbers only, never of what Vault answers. */
export type Trace = (text: string) => void

const STYLES = { brightRed: '\u001b[91m', boldRed: '\u001b[1;31m', cyan: '\u001b[36m' }

/**
 * In colour on a terminal, as it is elsewhere. By hand, because `styleText` rewrites escape sequences inside the text, and this
 * text is somebody's output.
 */
function styled(stream: Output, style: keyof typeof STYLES, text: string): string {
  return stream.isTTY && stream.hasColors?.() ? `${STYLES[style]}${text}\u001b[0m` : text
}

export function traceTo(out: Output, wanted: boolean): Trace {
  if (!wanted) return () => {}
  return text => out.write(`${styled(out, 'cyan', `${new Date().toISOString()} ${printable(text)}`)}\n`)
}

/** What is going on; a courier, or who answers in Vault's place, may have made a part of it. */
export function say(err: Output, text: string): void {
  err.write(`${printable(text)}\n`)
}

/** The end of a job (gostint.md §16.6): the output as it is, or the state and the output. Returns the exit code. */
export function printEnd(job: JobStatus, out: Output): number {
  if (job.status === 'success') out.write(job.output)
  else {
    // as the original does it: a line end only where the output has none
    const lineEnd = job.output.endsWith('\n') ? '' : '\n'
    out.write(`${styled(out, 'brightRed', `[${printable(job.status)}] ${job.output}`)}${lineEnd}`)
  }
  return exitCode(job)
}

/**
 * A job that was left alone: its state in the form of the above, and its id, which is what one needs to find it again. The same
 * form when it has ended already, so that a script always finds the id. Returns the exit code, 0 for a job that goes on.
 */
export function printLeft(job: JobStatus, out: Output): number {
  out.write(`${printable(`[${job.status}] ${job.id}`)}\n`)
  return isLive(job) ? 0 : exitCode(job)
}

/** The job's own, and never 0 for a job that did not succeed, also not when 256 would be cut to it. */
function exitCode({ status, returnCode }: JobStatus): number {
  const code = returnCode & 0xff
  return status === 'success' ? code : code || 1
}

/** What went wrong, and what to try; never a stack trace. Returns the exit code. */
export function printError(error: unknown, err: Output): number {
  const problems = error instanceof OptionsError ? error.problems : [messageOf(error)]
  for (const problem of problems) err.write(`${styled(err, 'boldRed', `Error: ${printable(problem)}`)}\n`)
  const next = adviceOn(error)
  if (next) say(err, `next: ${next}`)
  return 1
}

function messageOf(error: unknown): string {
  if (error instanceof RequestError) return `${error.message} (${error.code})`
  return error instanceof Error ? error.message : 'something failed without saying what'
}

function adviceOn(error: unknown): string {
  if (error instanceof RequestError) return error.remedy
  if (isVaultError(error, 'denied', 'invalid') && error.path === 'auth/approle/login') {
    return 'Check the RoleID and the SecretID; a SecretID may have been used up.'
  }
  if (isVaultError(error, 'denied')) return 'Check the Vault token and its policies (docs/gostint-client.md).'
  if (isVaultError(error, 'not_found')) return 'Check -gostint-approle and that Vault is set up for the server.'
  if (isVaultError(error, 'unavailable')) {
    return /CERT|SIGN/.test(error.message)
      ? 'Name the PEM file of the authority of Vault in VAULT_CACERT.'
      : 'Check -vault-url, and that Vault is up and unsealed.'
  }
  return ''
}
