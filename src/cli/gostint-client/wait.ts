import { setTimeout as sleep } from 'node:timers/promises'
import { RequestError } from '../../client/error.ts'
import { isVaultError } from '../../vault/error.ts'
import { isLive, type JobStatus } from './job-answer.ts'

export interface WaitOptions {
  readonly pollMs: number
  /** How long the server may be silent before the wait is given up. */
  readonly patienceMs: number
  readonly signal: AbortSignal
  /** Called once for each silence, when it begins. */
  readonly onSilence: (error: Error) => void
}

/** Reads the job until it has ended. What may pass by itself is waited for. */
export async function waitForEnd(read: () => Promise<JobStatus>, options: WaitOptions): Promise<JobStatus> {
  const { pollMs, patienceMs, signal, onSilence } = options
  for (let silentSince: number | null = null; ; ) {
    try {
      const job = await read()
      silentSince = null
      if (!isLive(job)) return job
    } catch (error) {
      if (!mayPass(error)) throw error
      if (silentSince === null) onSilence(error as Error)
      silentSince ??= Date.now()
      if (Date.now() - silentSince >= patienceMs) throw error
    }
    signal.throwIfAborted()
    await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/**
 * Silence, overload, a gateway without its server. Also 400, which is what GoStint's server answers when Vault is away
 * (gostint.md §2.2): a job that was accepted has nothing else to be wrong about.
 */
function mayPass(error: unknown): boolean {
  if (error instanceof RequestError) {
    const { status } = error
    return status === 0 || status >= 500 || status === 400 || status === 408 || status === 429
  }
  return isVaultError(error, 'unavailable')
}
