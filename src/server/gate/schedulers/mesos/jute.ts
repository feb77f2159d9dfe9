/** Writes ZooKeeper's serialisation (jute): big endian, texts and buffers with their length before them. */
export class Encoder {
  readonly #parts: Buffer[] = []

  int(value: number): this {
    const part = Buffer.alloc(4)
    part.writeInt32BE(value)
    return this.#add(part)
  }

  long(value: bigint): this {
    const part = Buffer.alloc(8)
    part.writeBigInt64BE(value)
    return this.#add(part)
  }

  bool(value: boolean): this {
    return this.#add(Buffer.from([value ? 1 : 0]))
  }

  buffer(value: Buffer): this {
    return this.int(value.length).#add(value)
  }

  text(value: string): this {
    return this.buffer(Buffer.from(value))
  }

  /** All of it, with its length before it. */
  frame(): Buffer {
    const body = Buffer.concat(this.#parts)
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length)
    return Buffer.concat([length, body])
  }

  #add(part: Buffer): this {
    this.#parts.push(part)
    return this
  }
}

/** Reads it. Throws a RangeError where the bytes end before what they announce. */
export class Decoder {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  int(): number {
    return this.#take(4).readInt32BE(0)
  }

  long(): bigint {
    return this.#take(8).readBigInt64BE(0)
  }

  /** A null one is -1 long and reads as empty. */
  buffer(): Buffer {
    return this.#take(Math.max(0, this.int()))
  }

  text(): string {
    return this.buffer().toString('utf8')
  }

  /** The length of a list: at most as many as there are bytes for. */
  count(): number {
    const count = Math.max(0, this.int())
    if (count * 4 > this.#bytes.length - this.#offset) throw new RangeError('a list longer than its bytes')
    return count
  }

  #take(length: number): Buffer {
    const end = this.#offset + length
    if (end > this.#bytes.length) throw new RangeError('fewer bytes than announced')
    const part = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return part
  }
}
