import { createHash, randomBytes } from 'node:crypto'
import { refuse } from '../../errors.ts'
import type { Handler, Route } from '../../routing/backend.ts'
import { inputOf } from './context.ts'
import { findDigest } from './digests.ts'

/** As much as Vault gives out at once. */
const MAX_RANDOM = 128 * 1024

/** Hashes and random bytes: of transit, and of `sys/tools`. */
export function toolRoutes(at: string): Route[] {
  const hash: Handler = ({ fields }) => {
    const algorithm = fields.text('urlalgorithm') || fields.text('algorithm') || 'sha2-256'
    const digest = findDigest(algorithm)
    if (!digest) throw refuse(400, `unsupported algorithm ${algorithm}`)
    const format = fields.text('format') || 'hex'
    if (!isFormat(format)) throw refuse(400, `unsupported encoding format ${format}; must be "hex" or "base64"`)
    return { data: { sum: createHash(digest.name).update(inputOf(fields)).digest(format) } }
  }
  const random: Handler = ({ fields }) => {
    const count = fields.has('urlbytes') ? fields.integer('urlbytes') : fields.integer('bytes', 32)
    if (count < 1) throw refuse(400, '"bytes" cannot be less than 1')
    if (count > MAX_RANDOM) throw refuse(400, `"bytes" should be less than ${MAX_RANDOM}`)
    const format = fields.text('format') || 'base64'
    if (!isFormat(format)) {
      throw refuse(400, `unsupported encoding format ${JSON.stringify(format)}; must be "hex" or "base64"`)
    }
    return { data: { random_bytes: randomBytes(count).toString(format) } }
  }
  return [
    { path: `${at}hash`, help: 'Hashes the input.', write: hash },
    { path: `${at}hash/:urlalgorithm`, help: 'Hashes the input.', write: hash },
    { path: `${at}random`, help: 'Gives random bytes.', write: random },
    { path: `${at}random/:urlbytes`, help: 'Gives random bytes.', write: random },
  ]
}

function isFormat(format: string): format is 'hex' | 'base64' {
  return format === 'hex' || format === 'base64'
}
