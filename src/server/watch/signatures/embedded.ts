import { NotASignature } from './armor.ts'

export interface Embedded {
  /** Armoured. */
  readonly signature: string
  /** What it signs, to the byte. */
  readonly payload: Buffer
}

/**
 * The signature in a commit: the header `gpgsig`, over everything else. Undefined when there is none. `NotASignature`
 * for a second one, and for any other header of such a name: git leaves those out of what it verifies, so they would be
 * unsigned bytes in a commit that passes as signed.
 */
export function embeddedInCommit(bytes: Uint8Array): Embedded | undefined {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const payload: Buffer[] = []
  const signature: string[] = []
  let inside = false
  let at = 0
  while (at < whole.length && whole[at] !== 0x0a) {
    const newline = whole.indexOf(0x0a, at)
    const end = newline < 0 ? whole.length : newline + 1
    const line = whole.toString('latin1', at, end).replace(/\n$/, '')
    if (inside && line.startsWith(' ')) signature.push(line.slice(1))
    else {
      inside = false
      if (line.startsWith('gpgsig')) {
        if (!line.startsWith('gpgsig ') || signature.length > 0)
          throw new NotASignature('several signatures in one commit')
        inside = true
        signature.push(line.slice('gpgsig '.length))
      } else payload.push(whole.subarray(at, end))
    }
    at = end
  }
  payload.push(whole.subarray(at))
  if (signature.length === 0) return undefined
  return { signature: signature.join('\n'), payload: Buffer.concat(payload) }
}

/** The signature of an annotated tag: what follows its text, from the last line on that begins one, as git reads it. */
export function embeddedInTag(bytes: Uint8Array): Embedded | undefined {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerEnd = whole.indexOf('\n\n')
  const header = whole.toString('latin1', 0, headerEnd < 0 ? whole.length : headerEnd)
  if (/^gpgsig/m.test(header)) throw new NotASignature('a signature in the header of a tag')
  const marks = [...whole.toString('latin1').matchAll(/^-----BEGIN (PGP|SSH) SIGNATURE-----\r?$/gm)]
  const start = marks.at(-1)?.index
  if (start === undefined || start < headerEnd) return undefined
  return { signature: whole.toString('latin1', start), payload: whole.subarray(0, start) }
}
