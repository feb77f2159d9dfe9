import type { Logger } from 'pino'

export type PlainLine = (facts: Readonly<Record<string, string | number>>, message: string) => void

/**
 * Lines of the log that are texts and numbers alone. What the log takes out of others lies in their objects (`err`, `*.headers`,
 * `*.token` …): here it has nothing to look into, and looking for it in each text was the dearest part of the line.
 */
export function plainLines(log: Logger): PlainLine {
  const plain = log.child({}, { redact: [] })
  return (facts, message) => plain.info(facts, message)
}
