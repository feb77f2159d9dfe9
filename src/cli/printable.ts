import { stripVTControlCharacters } from 'node:util'

/** A name or a reason may come from someone who would like to move the reader's cursor, or to add a line. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/\p{Cc}/gu, ' ')
}

/** As `printable`, of a text that may have several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
