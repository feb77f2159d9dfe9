import { parseDuration } from '../protocol/go-time.ts'
import { httpUrl, oneOf, postgresUrl } from './config-values.ts'

/** As both versions read booleans from the environment (gatekeeper.md §4), and ours. */
export function isYes(text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['', '0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  throw new Error('is neither true nor false')
}

export function refusedYes(why: string): (text: string) => false {
  return text => {
    if (isYes(text)) throw new Error(`is refused: ${why}`)
    return false
  }
}

export function clusters(text: string): string[] {
  return text
    .split(',')
    .map(one => one.trim())
    .filter(Boolean)
}

export function names(text: string): string[] {
  const found = [
    ...new Set(
      text
        .split(',')
        .map(name => name.trim())
        .filter(Boolean),
    ),
  ]
  if (found.length === 0) throw new Error('names no scheduler')
  return found
}

export function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms < 1000) throw new Error('is less than a second')
  return ms
}

export function optionalDuration(text: string) {
  return text === '' ? null : duration(text)
}

export function optionalUrl(text: string) {
  return text === '' ? null : httpUrl(text)
}

export function optionalPostgres(text: string) {
  return text === '' ? null : postgresUrl(text)
}

export function nothing(instead: string) {
  return (text: string): null => {
    if (text !== '') throw new Error(`is not supported: ${instead}`)
    return null
  }
}

const logLevels = oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')
const LEVELS_OF_V2: ReadonlyMap<string, string> = new Map([
  ['warning', 'warn'],
  ['panic', 'fatal'],
])

/** Also by the names of version 2, which reads them in capitals too (gatekeeper.md §12). */
export function logLevel(text: string) {
  const name = text.toLowerCase()
  return logLevels(LEVELS_OF_V2.get(name) ?? name)
}
