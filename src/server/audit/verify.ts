import { createHash } from 'node:crypto'
import type { Database } from '../store/database.ts'

export interface Verdict {
  readonly entries: number
  /** Number of the first entry that does not follow from the one before it; null when the chain is whole. */
  readonly brokenAt: number | null
  /** Hex of the hash of the last entry that is good: whoever keeps it can tell later that all before it is the same. */
  readonly head: string
}

const PAGE = 1000

/** Recomputes the whole chain from its first entry. */
export async function verifyAudit(db: Database): Promise<Verdict> {
  let expected: Buffer = Buffer.alloc(32)
  let entries = 0
  for (;;) {
    const page = await db
      .selectFrom('audit')
      .select(['seq', 'entry', 'previous', 'hash'])
      .where('seq', '>', entries)
      .orderBy('seq')
      .limit(PAGE)
      .execute()
    for (const row of page) {
      const hash = createHash('sha256').update(row.previous).update(row.entry, 'utf8').digest()
      if (row.seq !== entries + 1 || !row.previous.equals(expected) || !row.hash.equals(hash)) {
        return { entries, brokenAt: row.seq, head: expected.toString('hex') }
      }
      expected = row.hash
      entries = row.seq
    }
    if (page.length < PAGE) break
  }
  const { seq, hash } = await db.selectFrom('audit_head').select(['seq', 'hash']).executeTakeFirstOrThrow()
  const whole = seq === entries && hash.equals(expected)
  return { entries, brokenAt: whole ? null : entries + 1, head: expected.toString('hex') }
}
