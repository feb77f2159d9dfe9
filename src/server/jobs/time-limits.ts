import { parseDuration } from '../../protocol/duration.ts'
import { WritError } from '../../protocol/errors.ts'
import type { JobSpec } from '../../protocol/job.ts'

/** Seconds; null: none. */
export interface TimeLimits {
  /** From the start of the container to its end. */
  readonly run: number | null
  /** From the submission to the start. */
  readonly queue: number | null
  /** For how long the record is kept; null: as long as the administrator says. */
  readonly keep: number | null
}

/** What the administrator says, in seconds; 0: nothing. */
export interface TimeBounds {
  readonly timeout: number
  readonly timeoutMax: number
  readonly queueTimeout: number
  readonly queueTimeoutMax: number
  readonly retentionMax: number
}

export const UNBOUNDED: TimeBounds = { timeout: 0, timeoutMax: 0, queueTimeout: 0, queueTimeoutMax: 0, retentionMax: 0 }

/** What a job asks for, with the administrator's defaults. Throws `duration_invalid`, `duration_too_long`. */
export function readTimeLimits(spec: JobSpec, bounds: TimeBounds): TimeLimits {
  return {
    run: limit('timeout', spec.timeout, bounds.timeout, bounds.timeoutMax),
    queue: limit('queue_timeout', spec.queue_timeout, bounds.queueTimeout, bounds.queueTimeoutMax),
    keep: limit('ttl', spec.ttl, 0, 0, bounds.retentionMax),
  }
}

/** `max` also counts for a job that asks for nothing, `most` only for one that does. */
function limit(
  field: string,
  value: string | number | undefined,
  fallback: number,
  max: number,
  most = max,
): number | null {
  if (value === undefined || value === '') return fallback || max || null
  const seconds = parseDuration(value)
  // nothing runs or waits for no time at all: whoever writes 0 means "no limit", and a maximum says whether he may
  if (seconds === null) throw new WritError('duration_invalid', field)
  if (most > 0 && (seconds > most || (seconds === 0 && max > 0))) {
    throw new WritError('duration_too_long', `${field} is at most ${most} seconds here`)
  }
  return seconds === 0 && field !== 'ttl' ? null : seconds
}
