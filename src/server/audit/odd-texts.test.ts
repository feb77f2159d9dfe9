import fc from 'fast-check'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { lastEntry } from '../../../test/audit.ts'
import { createTestDatabase } from '../../../test/database.ts'
import { migrate, openDatabase } from '../store/database.ts'
import { record } from './audit.ts'
import { verifyAudit } from './verify.ts'

const database = await createTestDatabase()
const db = openDatabase(database.url, () => {})
await migrate(db)
let before = 0
beforeEach(async () => {
  before = (await verifyAudit(db)).entries
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

test.each([
  ['NUL', 'a\0b', 'a\\u0000b'],
  ['half of a pair', 'a\ud83db', 'a\\ud83db'],
  ['the other half', '\ude00', '\\ude00'],
  ['both', '\u{1f600}', '\u{1f600}'],
  ['what only reads like one', 'a\\u0000 \\\\ud83d', 'a\\u0000 \\\\ud83d'],
  ['another control character', '\u0001\u001f\n"', '\u0001\u001f\n"'],
])('%s in a text of others does not keep an entry off the trail', async (_, text, kept) => {
  await record(db, { action: 'gate.issued', actor: text, detail: { text, [text]: 1, deep: [{ text }] } })
  expect(await lastEntry(db)).toMatchObject({ actor: kept, detail: { text: kept, [kept]: 1, deep: [{ text: kept }] } })
  expect(await verifyAudit(db)).toMatchObject({ entries: before + 1, brokenAt: null })
})

test('of any detail: it is kept, and the trail is whole', async () => {
  const odd = fc.string({
    unit: fc.constantFrom('\0', '\ud800', '\udfff', '\\', 'u', '0', '"', 'é', '__proto__', '\u2028'),
  })
  const detail = fc.dictionary(odd, fc.oneof(odd, fc.double(), fc.jsonValue({ stringUnit: 'binary' })), { maxKeys: 5 })
  let entries = before
  await fc.assert(
    fc.asyncProperty(odd, detail, async (actor, found) => {
      await record(db, { action: 'gate.alarm', actor, detail: found })
      entries += 1
    }),
    { numRuns: 300 },
  )
  expect(await verifyAudit(db)).toMatchObject({ entries, brokenAt: null })
})
