import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../protocol/errors.ts'
import { type KnownKey, releaseKey, reserveKey } from '../store/idempotency.ts'
import type { Caller } from './caller.ts'
import type { Engine } from './engine.ts'

/** Longer than any submission takes; after a crash, a key is blocked for so long. */
const RESERVED_MS = 60_000
/** How long a repetition waits for the first one, and how often it looks. */
const WAIT = { mostMs: 10_000, eachMs: 100 }

/**
 * Does something once for a key: a repetition, on whatever node and after whatever restart, gets the job that the first one made. An
 * envelope can be opened only once, so a client whose answer got lost could else not learn what became of its job. `waited`: there was
 * an attempt with this key before.
 * Throws `idempotency_key_invalid`, `idempotency_key_reused`, `idempotency_key_busy`.
 */
export async function once<T>(
  engine: Engine,
  caller: Caller,
  { key, body }: { key: string; body: unknown },
  first: (reservation: string, waited: boolean) => Promise<T>,
  again: (jobId: string) => Promise<T>,
): Promise<T> {
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new WritError('idempotency_key_invalid')
  // with its submitter: somebody else's key must neither collide with mine nor lead to my job
  const submitter = caller.entity || caller.accessorHash
  const hashed = sha256(JSON.stringify([submitter, key]))
  const hashedBody = sha256(canonical(body))
  let waited = false
  for (const end = Date.now() + WAIT.mostMs; ; waited = true) {
    const { reserved, known } = await reserveKey(engine.db, hashed, hashedBody, RESERVED_MS)
    if (reserved) break
    const jobId = known && jobOf(known, hashedBody)
    if (jobId) return await again(jobId)
    if (Date.now() > end) throw new WritError('idempotency_key_busy')
    await sleep(WAIT.eachMs)
  }
  try {
    return await first(hashed, waited)
  } catch (error) {
    // refused: the next one with this key is the first again. If this fails too, the reservation runs out by itself
    await releaseKey(engine.db, hashed).catch(() => {})
    throw error
  }
}

function jobOf({ body, job_id }: KnownKey, hashedBody: string): string | null {
  if (body !== hashedBody) throw new WritError('idempotency_key_reused')
  return job_id
}

/** The same text for the same value, in whatever order a courier writes its keys. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const items = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${items.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(',')}}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
