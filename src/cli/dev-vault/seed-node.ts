import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml'

/** A key of a map, and what is there. */
export interface Entry {
  readonly key: string
  readonly line: number
  readonly node: SeedNode
}

type Tell = (line: number, text: string) => void

interface File {
  readonly document: Document
  readonly lines: LineCounter
  readonly tell: Tell
}

/** A value in a YAML file that knows its line; reading it as what it is not tells a problem and answers nothing. */
export class SeedNode {
  readonly line: number
  readonly #file: File
  readonly #node: Node | null

  private constructor(file: File, node: unknown, line: number) {
    this.#file = file
    const start = (node as Node | null)?.range?.[0]
    this.line = start === undefined ? line : file.lines.linePos(start).line
    this.#node = (isAlias(node) ? node.resolve(file.document) : node) as Node | null
  }

  static of(document: Document, lines: LineCounter, tell: Tell): SeedNode {
    return new SeedNode({ document, lines, tell }, document.contents, 1)
  }

  problem(text: string, line = this.line): void {
    this.#file.tell(line, text)
  }

  isNull(): boolean {
    return !this.#node || (isScalar(this.#node) && this.#node.value === null)
  }

  /** What is in a map; with `known`, no other keys than these. */
  entries(known?: readonly string[]): Entry[] {
    if (!isMap(this.#node)) {
      this.problem('is not a map of names and values')
      return []
    }
    return this.#node.items.flatMap(pair => {
      const key = new SeedNode(this.#file, pair.key, this.line)
      const name = key.text()
      if (name === undefined) return []
      if (known && !known.includes(name)) {
        key.problem(`${name} is not known here; known are ${known.join(', ')}`)
        return []
      }
      return [{ key: name, line: key.line, node: new SeedNode(this.#file, pair.value, key.line) }]
    })
  }

  items(): SeedNode[] {
    if (isSeq(this.#node)) return this.#node.items.map(item => new SeedNode(this.#file, item, this.line))
    this.problem('is not a list')
    return []
  }

  text(): string | undefined {
    if (isScalar(this.#node) && typeof this.#node.value === 'string' && this.#node.value !== '') return this.#node.value
    this.problem('is not a text')
    return undefined
  }

  /** A path of the API, without slashes around it and without `v1/`. */
  path(): string | undefined {
    return this.text()?.replace(/^\/?(v1\/)?|\/+$/g, '')
  }

  object(): Record<string, unknown> | undefined {
    if (isMap(this.#node) && this.#node.items.length > 0) return this.value() as Record<string, unknown>
    this.problem('is not a map with something in it')
    return undefined
  }

  /** The value as JSON has it. A number that JavaScript would change tells a problem: half a PIN is worse than none. */
  value(): unknown {
    let value: unknown
    try {
      value = this.#node?.toJS(this.#file.document)
    } catch {
      // An alias within itself, or a bomb of aliases.
      this.problem('has too many aliases')
    }
    if (hasLossyNumber(value)) this.problem('has a number that is too long to be exact; quote it')
    return value
  }
}

function hasLossyNumber(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER
  return typeof value === 'object' && value !== null && Object.values(value).some(hasLossyNumber)
}
