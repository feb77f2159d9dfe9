import { Readable, Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { type Extract, extract, type Header } from 'tar-stream'
import { WritError } from '../../protocol/errors.ts'
import { ContentRules } from './content-rules.ts'

/** Of the whole tar, headers and all: a gzip of 2 MB can hold 2 GB. */
const UNPACKED_BYTES = 256 * 1024 * 1024
const INPUT_PIECE = 64 * 1024
/** Of the headers before an entry that say more of it: a long name, the attributes of a file. One for all entries says next to nothing. */
const MORE_HEADER_BYTES = 256 * 1024
const COMMON_HEADER_BYTES = 4 * 1024
const MORE_HEADERS = 4

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
  const before = boundHeaders(tar)
  // A second member after the end of the first would be content that another reader of the same archive does not see.
  const gunzip = createGunzip({ rejectGarbageAfterEnd: true })
  const entries = tar[Symbol.asyncIterator]()
  const unpacking = pipeline(Readable.from(pieces(gz)), gunzip, atMost(UNPACKED_BYTES), tar as unknown as Writable)
  unpacking.catch(() => {})
  try {
    for (let next = await entries.next(); !next.done; next = await entries.next()) {
      before.headers = 0
      yield { header: rules.checked(next.value.header), body: next.value as unknown as ContentEntry['body'] }
    }
    await unpacking
  } finally {
    tar.destroy()
  }
}

/** What the reader does with a header that says more of the next entry. It has no option for it, and no event. */
interface Reader {
  readonly _header: { readonly type: string }
  _decodeLongHeader(bytes: Uint8Array): void
}

/**
 * Bounds what stands before entries, which no rule for entries sees. The attack: one header of 4 MB for all entries, and thousands without an
 * entry, each of which is joined with it: 1 MB, and for hours nobody else is served.
 */
function boundHeaders(tar: Extract): { headers: number } {
  const before = { headers: 0 }
  const reader = tar as unknown as Reader
  const decode = reader._decodeLongHeader.bind(tar)
  reader._decodeLongHeader = bytes => {
    before.headers += 1
    const isCommon = reader._header.type === 'pax-global-header'
    const most = isCommon ? COMMON_HEADER_BYTES : MORE_HEADER_BYTES
    if (before.headers > MORE_HEADERS || bytes.byteLength > most)
      throw new WritError('content_too_large', 'the headers of an entry')
    decode(bytes)
  }
  return before
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
