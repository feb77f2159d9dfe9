export class HclError extends Error {}

export interface Token {
  readonly kind: string
  readonly text: string
  readonly line: number
  readonly column: number
}

const BLANK = /(?:\s|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y
const NAME = /[A-Za-z_][\w.-]*/y
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)/y
const TEXT = /"(?:[^"\\\n]|\\.)*"/y
const HEREDOC = /<<(-?)([A-Za-z_]\w*)\r?\n/y
const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', a: '\x07', v: '\v' }

/** Cuts HCL into tokens. Every expression is sticky and looks at each character a fixed number of times. */
export class HclLexer {
  readonly #text: string
  #at = 0
  #line = 1
  #lineStart = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The next token; at the end one of the kind `end`, again and again. */
  next(): Token {
    this.#take(BLANK)
    const place = { line: this.#line, column: this.#at - this.#lineStart + 1 }
    if (this.#at >= this.#text.length) return { kind: 'end', text: 'EOF', ...place }
    const name = this.#take(NAME)
    if (name) return { kind: 'name', text: name[0], ...place }
    const text = this.#take(TEXT)
    if (text) return { kind: 'text', text: unescaped(text[0].slice(1, -1)), ...place }
    const number = this.#take(NUMBER)
    if (number) return { kind: 'number', text: number[0], ...place }
    const heredoc = this.#take(HEREDOC)
    if (heredoc) return { kind: 'text', text: this.#heredoc(heredoc, place), ...place }
    const sign = this.#text[this.#at] as string
    if (!'{}[]=:,'.includes(sign)) throw this.error(place, `illegal character ${JSON.stringify(sign)}`)
    this.#at++
    return { kind: sign, text: sign, ...place }
  }

  error(place: { line: number; column: number }, reason: string): HclError {
    return new HclError(`At ${place.line}:${place.column}: ${reason}`)
  }

  unexpected(token: Token): HclError {
    return this.error(token, `unexpected token: ${token.text.slice(0, 40)}`)
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match) {
      this.#at += match[0].length
      for (let end = match[0].indexOf('\n'); end >= 0; end = match[0].indexOf('\n', end + 1)) {
        this.#line++
        this.#lineStart = match.index + end + 1
      }
    }
    return match
  }

  #heredoc(start: RegExpExecArray, place: { line: number; column: number }): string {
    const lines: string[] = []
    while (this.#at < this.#text.length) {
      const newline = this.#text.indexOf('\n', this.#at)
      const end = newline < 0 ? this.#text.length : newline
      const line = this.#text.slice(this.#at, end)
      this.#at = Math.min(end + 1, this.#text.length)
      this.#line++
      this.#lineStart = this.#at
      if (line.trim() === start[2]) return join(lines, start[1] === '-')
      lines.push(line)
    }
    throw this.error(place, 'heredoc not terminated')
  }
}

function join(lines: readonly string[], indented: boolean): string {
  const strip = indented ? Math.min(...lines.map(line => line.length - line.trimStart().length)) : 0
  return lines.map(line => `${line.slice(Number.isFinite(strip) ? strip : 0)}\n`).join('')
}

function unescaped(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/gs, (_, code: string) => {
    if (code.length > 1) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return ESCAPES[code] ?? code
  })
}
