import { formatShort } from '../text/duration.ts'

/** The lifetime of what sets none, and the most any mount allows unless it is tuned: 768 hours, in seconds. */
export const SYSTEM_TTL = 2_764_800

/** All in seconds; 0 is "not given". */
export interface TtlQuestion {
  readonly increment?: number
  readonly ttl: number
  readonly period: number
  /** A maximum that counts from the start. */
  readonly maxTtl: number
  readonly explicitMaxTtl: number
  readonly mountDefault: number
  readonly mountMax: number
  /** How long ago the lease began. */
  readonly age: number
}

/**
 * How long a token or lease lives from now on. Vault cuts what exceeds a maximum, with a warning, instead of refusing it;
 * a period takes the place of every other wish and is bounded only by an explicit maximum.
 * @throws RangeError when the maximum has passed
 */
export function decideTtl(question: TtlQuestion): { ttl: number; warnings: string[] } {
  const { increment = 0, period, explicitMaxTtl, age } = question
  const warnings: string[] = []
  const max = Math.min(...[question.mountMax, question.maxTtl, explicitMaxTtl].filter(limit => limit > 0))
  let ttl = increment || question.ttl || question.mountDefault
  let left = max - age
  if (period > 0) {
    ttl = Math.min(period, max)
    if (period > max) {
      warnings.push(
        `period of "${formatShort(period)}" exceeded the effective max_ttl of "${formatShort(max)}"; period value is capped accordingly`,
      )
    }
    left = explicitMaxTtl > 0 ? explicitMaxTtl - age : ttl
  }
  if (left < 0) throw new RangeError('past the max TTL, cannot renew')
  if (ttl > left) {
    warnings.push(
      `TTL of "${formatShort(ttl)}" exceeded the effective max_ttl of "${formatShort(left)}"; TTL value is capped accordingly`,
    )
    ttl = left
  }
  return { ttl, warnings }
}
