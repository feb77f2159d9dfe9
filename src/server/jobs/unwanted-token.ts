import { setTimeout as sleep } from 'node:timers/promises'
import type { Secret } from '../../vault/secret.ts'
import { revokeSelf } from '../../vault/token.ts'
import type { Engine } from './engine.ts'

const PAUSE = { firstMs: 500, longestMs: 30_000 }
/** Then Vault has ended it by itself: the token of a job that nobody renews lives for as long as the job role says. */
const GIVE_UP_MS = 3_600_000

/**
 * Ends the token of a job that was not accepted. Waits for the first attempt only; when Vault is sealed at that moment, which may be
 * why the job was not accepted, it goes on trying in the background.
 */
export async function endUnwantedToken(engine: Pick<Engine, 'vault' | 'log'>, token: Secret): Promise<void> {
  try {
    await revokeSelf(engine.vault, token)
  } catch (error) {
    engine.log.error({ err: error }, 'the token of a refused job was not revoked; trying again')
    void keepTrying(engine, token)
  }
}

async function keepTrying({ vault, log }: Pick<Engine, 'vault' | 'log'>, token: Secret): Promise<void> {
  const start = performance.now()
  for (
    let pauseMs = PAUSE.firstMs;
    performance.now() - start < GIVE_UP_MS;
    pauseMs = Math.min(pauseMs * 2, PAUSE.longestMs)
  ) {
    // a server that ends does not wait for it
    await sleep(pauseMs, undefined, { ref: false })
    try {
      await revokeSelf(vault, token)
      log.info('the token of a refused job was revoked')
      return
    } catch {
      // still away
    }
  }
}
