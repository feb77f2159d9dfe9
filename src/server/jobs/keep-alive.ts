import { isVaultError } from '../../vault/error.ts'
import { renewAccessor } from '../../vault/token.ts'
import { dueTokens, setTokenRenewal } from '../store/jobs.ts'
import type { Engine } from './engine.ts'

/** When a token that lives this long is to be renewed: at half of it, so that a Vault that is away for a while costs no job. */
export function renewalDue(leaseSeconds: number): Date | null {
  return leaseSeconds > 0 ? new Date(Date.now() + leaseSeconds * 500) : null
}

/** How soon another node or the next round may try a renewal that did not come back. */
const AGAIN_MS = 15_000

/**
 * Renews the tokens of all waiting and running jobs that are due. By accessor and with the server's own token: a job's token may
 * have few uses, and all of them are for the job.
 */
export async function keepTokensAlive(engine: Engine): Promise<void> {
  for (const { id, token_accessor } of await dueTokens(engine.db, AGAIN_MS)) {
    try {
      const seconds = await renewAccessor(engine.vault, engine.identity.token(), token_accessor)
      await setTokenRenewal(engine.db, id, renewalDue(seconds))
    } catch (error) {
      engine.log.warn({ job: id, err: error }, 'the token of a job was not renewed')
      if (isVaultError(error, 'denied')) await engine.identity.doubt()
      // Vault is away or sealed, or the server is: the others have to wait as well
      if (!isVaultError(error) || error.status === 0 || error.status === 503) return
      // at its maximum life, or gone: asking again cannot help, and the job will say so when it runs
      if (isVaultError(error, 'invalid')) await setTokenRenewal(engine.db, id, null)
    }
  }
}
