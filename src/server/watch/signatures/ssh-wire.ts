import { NotASignature } from './armor.ts'

/** Reads the SSH wire encoding (RFC 4251 §5); `NotASignature` when it ends early. */
export class SshReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new NotASignature('malformed')
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  uint32(): number {
    return this.take(4).readUInt32BE()
  }

  string(): Buffer {
    return this.take(this.uint32())
  }

  text(): string {
    return this.string().toString('latin1')
  }

  /** A positive integer, without leading zeros. */
  integer(): Buffer {
    let bytes = this.string()
    if (bytes.length > 0 && (bytes[0] as number) >= 0x80) throw new NotASignature('malformed')
    while (bytes[0] === 0) bytes = bytes.subarray(1)
    return bytes
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new NotASignature('malformed')
  }
}

export function sshString(bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(content.length)
  return Buffer.concat([length, content])
}
