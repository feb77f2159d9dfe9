import { pause, type Signal } from './signal.ts'

/** Vault refused before it did anything (standby not ready, rate limit, replication, sealed): safe to repeat for every method. */
const REFUSED = new Set([412, 429, 472, 473, 503])
/** Nobody listened, so nothing happened. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'ENOTFOUND', 'EAI_AGAIN'])
/** The connection broke: whether Vault acted is unknown. A repeated write could make a second token that nobody holds. */
const BROKEN = new Set(['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE'])

export interface RetryPolicy {
  readonly retries: number
  readonly firstDelayMs: number
}

/** Calls `attempt` until it neither throws what is safe to repeat nor answers a status that is. Delays double, with jitter. */
export async function withRetry<T extends { status: number }>(
  policy: RetryPolicy,
  readOnly: boolean,
  signal: Signal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tried = 0; ; tried += 1) {
    try {
      const answer = await attempt()
      if (tried >= policy.retries || !REFUSED.has(answer.status)) return answer
    } catch (error) {
      if (tried >= policy.retries || !isSafeToRepeat(error, readOnly)) throw error
    }
    await pause(policy.firstDelayMs * 2 ** tried * (0.5 + Math.random() / 2), signal)
  }
}

/** Of a request that failed, whatever its method: Vault refused before it did anything, or nobody was there. */
export function wasNotTaken(error: unknown): boolean {
  const { status = 0, errors = [] } = error as { status?: number; errors?: readonly string[] }
  return status === 0 ? errors.some(code => NEVER_SENT.has(code)) : REFUSED.has(status)
}

function isSafeToRepeat(error: unknown, readOnly: boolean): boolean {
  const code = (error as { code?: string })?.code ?? ''
  return NEVER_SENT.has(code) || (readOnly && BROKEN.has(code))
}
