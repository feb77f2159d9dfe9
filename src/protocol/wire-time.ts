/** Go's zero time, which GoStint's clients expect where a time is not set yet. */
const NEVER = '0001-01-01T00:00:00Z'

/** RFC 3339 in UTC, milliseconds without their trailing zeros (gostint.md §2.6). */
export function wireTime(time: Date | null): string {
  return time ? time.toISOString().replace(/\.?0*Z$/, 'Z') : NEVER
}
