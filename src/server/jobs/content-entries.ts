import { Readable, Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import { WritError } from '../../protocol/errors.ts'
import { ContentRules } from './content-rules.ts'

/** Of the whole tar, headers and all: a gzip of 2 MB can hold 2 GB. */
const UNPACKED_BYTES = 256 * 1024 * 1024
const INPUT_PIECE = 64 * 1024

export interface ContentEntry {
  /** Clean: nothing in it but what the rules let through. */
  readonly header: Header
  /** Read it to its end, or `resume()` it, before asking for the next entry. */
  readonly body: Readable
}

/** The checked entries of a gzipped tar, one after the other, in little memory. */
export async function* contentEntries(gz: Uint8Array): AsyncGenerator<ContentEntry> {
  const rules = new ContentRules()
  const tar = extract()
  // A second member after the end of the first would be content that another reader of the same archive does not see.
  const gunzip = createGunzip({ rejectGarbageAfterEnd: true })
  const entries = tar[Symbol.asyncIterator]()
  const unpacking = pipeline(Readable.from(pieces(gz)), gunzip, atMost(UNPACKED_BYTES), tar as unknown as Writable)
  unpacking.catch(() => {})
  try {
    for (let next = await entries.next(); !next.done; next = await entries.next()) {
      yield { header: rules.checked(next.value.header), body: next.value as unknown as ContentEntry['body'] }
    }
    await unpacking
  } finally {
    tar.destroy()
  }
}

/** What zlib and the tar reader say is of no use to whoever packed it; that it is broken is. */
export function asContentError(error: unknown): WritError {
  return error instanceof WritError ? error : new WritError('content_invalid', undefined, { cause: error })
}

/** Pieces that small let a refused entry at the start end the unpacking at the start. */
function* pieces(gz: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < gz.length; at += INPUT_PIECE) yield gz.subarray(at, at + INPUT_PIECE)
}

function atMost(limit: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      bytes += chunk.length
      if (bytes > limit) next(new WritError('content_too_large', `more than ${limit} bytes`))
      else next(null, chunk)
    },
  })
}
