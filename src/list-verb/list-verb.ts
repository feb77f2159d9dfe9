import type { Socket } from 'node:net'

const [L, I, N, S, K, T, X] = [0x4c, 0x49, 0x4e, 0x53, 0x4b, 0x54, 0x58]
const HEAD_END = '\r\n\r\n'
const MAX_HEAD = 64 * 1024

/** The verb under which the HTTP parser sees `LIST`. Neither Vault nor any interface of ours has one of this name. */
export const LIST_STAND_IN = 'LINK'

/**
 * Lets `LIST` through Node's HTTP parser, which refuses verbs it does not know before any handler runs (HPE_INVALID_METHOD).
 *
 * It stands in front of the parser and turns the verb `LIST` into `LINK`, which the parser knows, in the very buffer that the
 * parser is given next: same length, nothing is copied or held back. A `LINK` that a client really sends becomes a verb that
 * the parser refuses. To find where a request begins on a connection that carries several, it follows their framing (head,
 * content-length, chunks) and does nothing else; everything about HTTP stays with Node's parser, which ends the connection
 * at any framing the two could see differently (both lengths, a repeated length, a bare line feed).
 *
 * The alternative, to put the packet right in `clientError` and parse it again, has only the last packet in its hands: it cannot
 * know a verb that was cut in two, and its new parser knows nothing of the answers still due on the connection.
 */
export class ListVerb {
  #state: 'method' | 'head' | 'body' | 'chunk-size' | 'chunk' | 'trailer' = 'method'
  #seen: number[] = []
  #head = ''
  #left = 0

  /** Attach after the HTTP server has: adding a `data` listener makes Node hand the bytes to JavaScript first. */
  static attach(socket: Socket): void {
    const verb = new ListVerb()
    socket.prependListener('data', chunk => verb.feed(chunk as Buffer))
  }

  /** Follows one packet and changes it where a `LIST` begins a request. */
  feed(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#state === 'method') at = this.#method(chunk, at)
      else if (this.#state === 'head') at = this.#untilHeadEnd(chunk, at)
      else if (this.#state === 'body' || this.#state === 'chunk') at = this.#skip(chunk, at)
      else at = this.#line(chunk, at)
    }
  }

  #method(chunk: Buffer, at: number): number {
    const byte = chunk[at] as number
    if (this.#seen.length === 0 && (byte === 0x0d || byte === 0x0a)) return at + 1
    const [first, second, third] = this.#seen
    if (first === L && second === I) {
      if (third === undefined && byte === S) chunk[at] = N
      if (third === S && byte === T) chunk[at] = K
      if (third === N && byte === K) chunk[at] = X
    }
    this.#seen.push(byte)
    if (this.#seen.length === 4) {
      this.#head = ''
      this.#state = 'head'
    }
    return at + 1
  }

  #untilHeadEnd(chunk: Buffer, at: number): number {
    const before = this.#head.length
    // Three bytes of the past suffice to see an end that is cut between packets.
    const text = chunk.toString('latin1', at)
    const end = (this.#head.slice(-3) + text).indexOf(HEAD_END)
    if (end < 0) {
      // A longer head is refused by the parser; it must not be collected here for ever.
      if (this.#head.length < MAX_HEAD) this.#head += text
      return chunk.length
    }
    const used = end + HEAD_END.length - Math.min(3, before)
    this.#head += text.slice(0, used)
    this.#startBody()
    return at + used
  }

  #startBody(): void {
    const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(this.#head)?.[1]
    if (/\r\ntransfer-encoding:[^\r]*chunked/i.test(this.#head)) this.#state = 'chunk-size'
    else if (length !== undefined && Number(length) > 0) {
      this.#left = Number(length)
      this.#state = 'body'
    } else this.#nextRequest()
    this.#head = ''
  }

  #skip(chunk: Buffer, at: number): number {
    const take = Math.min(this.#left, chunk.length - at)
    this.#left -= take
    if (this.#left === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-size'
      else this.#nextRequest()
    }
    return at + take
  }

  /** One line of a chunked body: the size of a chunk, or a trailer. */
  #line(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(0x0a, at)
    this.#head += chunk.toString('latin1', at, end < 0 ? chunk.length : end + 1)
    if (end < 0) return chunk.length
    const line = this.#head.trimEnd()
    this.#head = ''
    if (this.#state === 'trailer') {
      if (line === '') this.#nextRequest()
      return end + 1
    }
    const size = Number.parseInt(line, 16)
    this.#state = size > 0 ? 'chunk' : 'trailer'
    this.#left = size + 2
    return end + 1
  }

  #nextRequest(): void {
    this.#state = 'method'
    this.#seen = []
  }
}
