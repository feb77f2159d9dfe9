import { HclLexer, type Token } from './hcl-lexer.ts'

/** Text that is not the HCL (or JSON) a policy is written in. The message begins with the place. */
export { HclError } from './hcl-lexer.ts'

export type HclValue = string | number | boolean | HclValue[] | HclBody

/** `keys = value`, or a block: `path "x" { … }` has the keys `path` and `x`. */
export interface HclItem {
  readonly keys: readonly string[]
  readonly value: HclValue
  readonly line: number
}

export class HclBody {
  readonly items: readonly HclItem[]

  constructor(items: readonly HclItem[]) {
    this.items = items
  }
}

/** Deeper than any policy; recursion must not depend on what someone sends. */
const MAX_DEPTH = 64

/**
 * Reads HCL 1, the language of policies: assignments, blocks with quoted labels, lists, nested objects, heredocs, comments;
 * and JSON, which it takes for the same thing. Measured alternatives (a Go parser in JavaScript or wasm) took 18 to 216 ms for the
 * first policy and refused quoted keys, which Vault accepts.
 * @throws HclError and nothing else
 */
export function parseHcl(text: string): HclBody {
  const parser = new Parser(new HclLexer(text))
  return text.trimStart().startsWith('{') ? parser.json() : parser.file()
}

class Parser {
  readonly #lexer: HclLexer

  constructor(lexer: HclLexer) {
    this.#lexer = lexer
  }

  file(): HclBody {
    return this.#body('end', 0)
  }

  /** JSON is HCL with colons, except that nothing may follow the one object. */
  json(): HclBody {
    this.#lexer.next()
    const body = this.#body('}', 0)
    const rest = this.#lexer.next()
    if (rest.kind !== 'end') throw this.#lexer.unexpected(rest)
    return body
  }

  #body(end: string, depth: number): HclBody {
    const items: HclItem[] = []
    for (;;) {
      const token = this.#lexer.next()
      if (token.kind === end) return new HclBody(items)
      if (token.kind === ',' && items.length > 0) continue
      items.push(this.#item(token, depth))
    }
  }

  #item(first: Token, depth: number): HclItem {
    const keys: string[] = []
    let token = first
    while (token.kind === 'name' || token.kind === 'text') {
      keys.push(token.text)
      token = this.#lexer.next()
    }
    if (keys.length === 0) throw this.#lexer.unexpected(token)
    if (token.kind === '{') return { keys, value: this.#body('}', this.#deeper(depth, token)), line: first.line }
    if (keys.length > 1 || (token.kind !== '=' && token.kind !== ':')) throw this.#lexer.unexpected(token)
    return { keys, value: this.#value(this.#lexer.next(), depth), line: first.line }
  }

  #value(token: Token, depth: number): HclValue {
    if (token.kind === 'text') return token.text
    if (token.kind === 'number') return Number(token.text)
    if (token.kind === 'name' && (token.text === 'true' || token.text === 'false')) return token.text === 'true'
    if (token.kind === '[') return this.#list(this.#deeper(depth, token))
    if (token.kind === '{') return this.#body('}', this.#deeper(depth, token))
    throw this.#lexer.unexpected(token)
  }

  #list(depth: number): HclValue[] {
    const values: HclValue[] = []
    for (;;) {
      let token = this.#lexer.next()
      if (token.kind === ']') return values
      values.push(this.#value(token, depth))
      token = this.#lexer.next()
      if (token.kind === ']') return values
      if (token.kind !== ',') throw this.#lexer.unexpected(token)
    }
  }

  #deeper(depth: number, token: Token): number {
    if (depth >= MAX_DEPTH) throw this.#lexer.error(token, 'nested too deep')
    return depth + 1
  }
}
