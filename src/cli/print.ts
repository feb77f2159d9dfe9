import { styleText } from 'node:util'
import { printable } from './printable.ts'
import { eraseStatus } from './status-line.ts'

/** A result, for programs. */
export function printJson(value: unknown): void {
  process.stdout.write(jsonLine(value))
}

/** With its line end. */
export function jsonLine(value: unknown): string {
  // JSON.stringify leaves these as they are, and some terminals take U+009B for an escape
  const text = JSON.stringify(value).replace(/[\u007f-\u009f]/g, char => `\\u00${char.charCodeAt(0).toString(16)}`)
  return `${text}\n`
}

/** What is going on, for people: never on stdout, which is for results. */
export function progress(text: string): void {
  eraseStatus()
  process.stderr.write(`${styleText('dim', `▸ ${printable(text)}`, { stream: process.stderr })}\n`)
}

/** A result in rows: with a header and aligned on a terminal; in a pipe without header, and a tab between the cells. */
export function printTable(rows: readonly (readonly string[])[], header?: readonly string[]): void {
  const terminal = process.stdout.isTTY
  const shown = terminal && header ? [header, ...rows] : rows
  const clean = shown.map(row => row.map(printable))
  const lines = terminal ? aligned(clean) : clean.map(row => row.join('\t'))
  process.stdout.write(lines.map(line => `${line}\n`).join(''))
}

/** Columns as wide as their widest cell. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
