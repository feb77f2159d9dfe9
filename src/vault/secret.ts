import { inspect } from 'node:util'

const PRINTED = '[secret]'

/**
 * A value that must never be printed. Everything that turns an object into text by itself (template strings, JSON, console,
 * pino, util.inspect, structuredClone) gets `[secret]` or nothing: the value lives in a private field, which no serializer can
 * reach. The one way to read it is `reveal()`, so every place that does is found by searching for that word.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself, in clear. Call it at the last moment, and never where the result is kept. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return PRINTED
  }

  toJSON(): string {
    return PRINTED
  }

  [Symbol.toPrimitive](): string {
    return PRINTED
  }

  [inspect.custom](): string {
    return PRINTED
  }
}
