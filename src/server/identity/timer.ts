/** No two steps are closer than this, whatever life Vault gives a token. */
const SHORTEST_MS = 250
/** setTimeout takes no more; a longer wait would fire at once and spin. */
const LONGEST_MS = 2 ** 31 - 1

/** First and longest pause after failures. */
const BACKOFF = { firstMs: 500, longestMs: 30_000 }

/** Does something once, after a while; what it returns prevents it. */
export type Later = (ms: number, action: () => Promise<void>) => () => void

export const later: Later = (ms, action) => {
  const timer = setTimeout(() => void action(), ms).unref()
  return () => clearTimeout(timer)
}

/** A wait that a timer can hold and that does not spin. */
export function bounded(ms: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, ms))
}

/** The pause after so many failures: doubled each time, with jitter, so that many nodes do not come back at once. */
export function backoff(failures: number): number {
  return Math.min(BACKOFF.longestMs, BACKOFF.firstMs * 2 ** failures) * (0.5 + Math.random() / 2)
}
