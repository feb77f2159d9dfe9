import { stripVTControlCharacters, styleText } from 'node:util'

/** A result, for programs. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** What is going on, for people: never on stdout, which is for results. */
export function progress(text: string): void {
  process.stderr.write(`${styleText('dim', `▸ ${printable(text)}`, { stream: process.stderr })}\n`)
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const clean = rows.map(row => row.map(printable))
  const widths = (clean[0] ?? []).map((_, column) => Math.max(...clean.map(row => (row[column] ?? '').length)))
  return clean
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A name or a reason may come from someone who would like to move the reader's cursor. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/\p{Cc}/gu, ' ')
}
