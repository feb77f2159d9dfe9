import type { Signal } from '../../../vault/signal.ts'

/**
 * How often tasks have been given tokens. A use is *taken* before Vault is asked, so that of many requests at once only as many get
 * one as may; it is *kept* when the token was made, and given back when it was not. One that is neither, because its node died, comes
 * back by itself after `LEASE_MS`: the token that may have been made was never answered, so nobody has it (ADR 17).
 */
export interface Uses {
  /** What is kept is on the audit trail. */
  readonly recorded: boolean
  /**
   * Takes one of `limit` uses. Waits for a while if others are still to be decided. Throws `task_served` when all are kept,
   * `task_pending` when some stay undecided.
   */
  readonly take: (task: string, limit: number, signal: Signal) => Promise<Use>
  close(): Promise<void>
}

export interface Use {
  /** The token was made. False when that took so long that the use was given to another: then the token must go. */
  keep(facts: KeptFacts): Promise<boolean>
  giveBack(): Promise<void>
}

/** For the audit trail: names, never values. */
export interface KeptFacts {
  readonly actor: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** How long Vault is waited for when a token is made. */
export const ISSUE_MS = 10_000
/** How long a use may be undecided: longer than Vault is waited for, so only that of a dead node is not. */
export const LEASE_MS = 15_000
/** How long a request waits for others of the same task to be decided. */
export const PATIENCE_MS = 8_000
/** How long uses are remembered at least. */
export const REMEMBERED_MS = 24 * 3_600_000
/**
 * How long uses are remembered: well past the age at which a task is refused anyway, should a scheduler's clock jump. The attack: a
 * task that may ask for two days gets a second token on the second, if its first is forgotten by then.
 */
export const rememberedMs = (taskLifeMs: number) => Math.max(REMEMBERED_MS, 2 * taskLifeMs)
/** How long the store of uses is waited for. */
export const STORE_MS = 5_000
