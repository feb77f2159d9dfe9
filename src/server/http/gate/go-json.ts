/**
 * Decodes as Go does what vault-gatekeeper's clients may send: the first value only, keys in any case, unknown ones ignored, null as
 * nothing; and says what is wrong in Go's words (gatekeeper.md §2.1).
 */
export class GoJsonError extends Error {
  override readonly name = 'GoJsonError'
}

const LONGEST = 16_384

/** The texts of these keys; empty where there is none. Throws `GoJsonError`. */
export function decodeTexts<K extends string>(body: string, keys: readonly K[]): Record<K, string> {
  const found = {} as Record<K, string>
  for (const key of keys) found[key] = ''
  const value = FLAT.test(body) ? flatValue(body) : firstValue(body)
  if (value === null) return found
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new GoJsonError(`json: cannot unmarshal ${kindOf(value)} into Go value of type struct`)
  }
  for (const [name, item] of Object.entries(value)) {
    const key = keys.find(candidate => candidate === name || candidate.toLowerCase() === name.toLowerCase())
    if (key === undefined || item === null) continue
    if (typeof item !== 'string') {
      throw new GoJsonError(`json: cannot unmarshal ${kindOf(item)} into Go struct field .${key} of type string`)
    }
    if (item.length > LONGEST) throw new GoJsonError(`${key} is too long`)
    found[key] = item
  }
  return found
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

/** What nearly every client sends: an object without another in it, and nothing behind it. */
const FLAT = /^\{[^{}[\]]*\}$/

/** `Scanner` is for saying what is wrong as Go does: where nothing is, it need not look at each character. */
function flatValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return firstValue(text)
  }
}

function firstValue(text: string): unknown {
  const scanner = new Scanner(text)
  const [start, end] = scanner.value(0)
  try {
    return JSON.parse(text.slice(start, end))
  } catch {
    // numbers and escapes that Go and we may see differently; without the text, which may hold a token
    throw new GoJsonError('invalid character in JSON')
  }
}

const DEEPEST = 64

/** Finds the end of a value, and the first character that cannot be. */
class Scanner {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }

  value(from: number, depth = 0): [number, number] {
    const start = this.#space(from)
    if (start >= this.#text.length) throw new GoJsonError(depth === 0 ? 'EOF' : 'unexpected EOF')
    if (depth > DEEPEST) throw new GoJsonError('exceeded max depth')
    const char = this.#text.charAt(start)
    if (char === '{') return [start, this.#object(start + 1, depth)]
    if (char === '[') return [start, this.#array(start + 1, depth)]
    if (char === '"') return [start, this.#string(start)]
    for (const word of ['true', 'false', 'null']) if (char === word.charAt(0)) return [start, this.#word(start, word)]
    const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
    number.lastIndex = start
    const found = number.exec(this.#text)
    if (!found) throw this.#wrong(start, 'looking for beginning of value')
    return [start, number.lastIndex]
  }

  #object(from: number, depth: number): number {
    let at = this.#space(from)
    if (this.#char(at) === '}') return at + 1
    for (;;) {
      if (this.#char(at) !== '"') throw this.#wrong(at, 'looking for beginning of object key string')
      at = this.#space(this.#string(at))
      if (this.#char(at) !== ':') throw this.#wrong(at, 'after object key')
      at = this.#space(this.value(at + 1, depth + 1)[1])
      const char = this.#char(at)
      if (char === '}') return at + 1
      if (char !== ',') throw this.#wrong(at, 'after object key:value pair')
      at = this.#space(at + 1)
    }
  }

  #array(from: number, depth: number): number {
    let at = this.#space(from)
    if (this.#char(at) === ']') return at + 1
    for (;;) {
      at = this.#space(this.value(at, depth + 1)[1])
      const char = this.#char(at)
      if (char === ']') return at + 1
      if (char !== ',') throw this.#wrong(at, 'after array element')
      at += 1
    }
  }

  #string(from: number): number {
    for (let at = from + 1; ; at++) {
      const char = this.#char(at)
      if (char === '"') return at + 1
      if (char < ' ') throw this.#wrong(at, 'in string literal')
      if (char === '\\') at += 1
    }
  }

  #word(from: number, word: string): number {
    for (let n = 1; n < word.length; n++) {
      if (this.#char(from + n) !== word.charAt(n)) {
        throw this.#wrong(from + n, `in literal ${word} (expecting '${word.charAt(n)}')`)
      }
    }
    return from + word.length
  }

  #space(from: number): number {
    let at = from
    while (' \t\r\n'.includes(this.#text.charAt(at) || 'x')) at++
    return at
  }

  #char(at: number): string {
    const char = this.#text.charAt(at)
    if (char === '') throw new GoJsonError('unexpected EOF')
    return char
  }

  #wrong(at: number, where: string): GoJsonError {
    const char = this.#text.charAt(at)
    const shown = char < ' ' ? JSON.stringify(char).slice(1, -1) : char === "'" ? "\\'" : char
    return new GoJsonError(`invalid character '${shown}' ${where}`)
  }
}
