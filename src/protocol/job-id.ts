import { randomBytes } from 'node:crypto'
import { WritError } from './errors.ts'

/** A new id: 24 lower-case hex digits as GoStint's (gostint.md §2.4), 4 bytes of seconds and 8 random ones. */
export function newJobId(now: Date): string {
  const seconds = Buffer.alloc(4)
  seconds.writeUInt32BE(Math.floor(now.getTime() / 1000))
  return Buffer.concat([seconds, randomBytes(8)]).toString('hex')
}

/** Reads an id from a path: trimmed, either case. Throws `job_id_invalid`. */
export function parseJobId(text: string): string {
  const id = text.trim().toLowerCase()
  if (!/^[0-9a-f]{24}$/.test(id)) throw new WritError('job_id_invalid')
  return id
}
