/**
 * SQL with `{{name}}`s put in, one statement after another. Values are of our own making (letters, digits, `-`, a time) and
 * so cannot end a quoted text; others must not be put in this way.
 */
export function fillStatements(statements: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return statements
    .flatMap(splitStatements)
    .map(text =>
      text.replace(
        /\{\{\s*(\w+)\s*\}\}/g,
        (whole, name: string) => (Object.hasOwn(values, name) ? values[name] : whole) ?? whole,
      ),
    )
}

/** Cuts text at its semicolons, but not within quotes, dollar quotes and comments. */
export function splitStatements(text: string): string[] {
  const tokens = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\/|;/g
  const found: string[] = []
  let start = 0
  for (const token of text.matchAll(tokens)) {
    if (token[0] !== ';') continue
    found.push(text.slice(start, token.index))
    start = token.index + 1
  }
  found.push(text.slice(start))
  return found.map(statement => statement.trim()).filter(statement => statement !== '')
}

/** A time as Vault writes it for VALID UNTIL. */
export function sqlTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')}+0000`
}
