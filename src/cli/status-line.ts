import { styleText } from 'node:util'
import { printable } from './printable.ts'

let shown: StatusLine | null = null

/** Before anything else is written to the terminal. */
export function eraseStatus(): void {
  shown?.erase()
}

/** One line on standard error that says what is waited for and since when: on a terminal only, and gone afterwards. */
export class StatusLine {
  readonly #stream: NodeJS.WriteStream
  #text = ''
  #since = 0
  #drawn = false
  #timer: NodeJS.Timeout | undefined

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
    if (!stream.isTTY) return
    shown = this
    this.#timer = setInterval(() => this.#draw(), 1000)
    this.#timer.unref()
  }

  /** Whether anybody sees it. */
  get live(): boolean {
    return this.#timer !== undefined
  }

  /** The time starts anew with another text. */
  say(text: string): void {
    const clean = printable(text)
    if (!this.live || clean === this.#text) return
    this.#text = clean
    this.#since = performance.now()
    this.#draw()
  }

  erase(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[K')
    this.#drawn = false
  }

  end(): void {
    this.erase()
    clearInterval(this.#timer)
    this.#timer = undefined
    if (shown === this) shown = null
  }

  #draw(): void {
    if (!this.#text) return
    const line = `▸ ${this.#text} ${elapsed(performance.now() - this.#since)}`.slice(0, this.#stream.columns || 80)
    this.#stream.write(`\r\x1b[K${styleText('dim', line, { stream: this.#stream })}`)
    this.#drawn = true
  }
}

/** `0:07`, `1:02:03` */
function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const two = (number: number) => String(number % 60).padStart(2, '0')
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes}:${two(seconds)}` : `${Math.floor(minutes / 60)}:${two(minutes)}:${two(seconds)}`
}
