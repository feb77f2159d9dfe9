import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { World } from '../../../test/repositories/world.ts'
import { digestOf, type Plan } from '../../protocol/watch-plan.ts'
import { putKey } from '../store/watch-keys.ts'
import { findWatch, insertWatch, updateWatch, type Watch } from '../store/watches.ts'
import { judge, standing } from './quorum.ts'
import type { Repository } from './repository/repository.ts'

const world = new World()
let t: TestEngine
let commit: string
let plan: Plan
beforeAll(async () => {
  t = await startTestEngine()
  commit = world.signed('ann')
  plan = { format: 'writ-plan-1', watch: 'q', commit, commands: ['true'] } as unknown as Plan
  await t.engine.db.transaction().execute(async tx => {
    await insertWatch(tx, { name: 'q', description: '' })
    for (const { name, key } of world.trust('ann', 'bob')) await putKey(tx, 'q', name, key)
  })
})
afterAll(async () => {
  world.close()
  await t.close()
})

async function watchWith(required: number, require_signed_plan: boolean): Promise<Watch> {
  const configuration = { required_number_of_verified_signatures_on_commit: required }
  await updateWatch(t.engine.db, 'q', {
    configuration: JSON.stringify(configuration),
    options: JSON.stringify({ require_signed_plan }),
  })
  return (await findWatch(t.engine.db, 'q')) as Watch
}

/** Of the commit, which ann has signed; and of digests, with these lines in the note of each. */
function repository(lines: Readonly<Record<string, readonly string[]>> = {}): Repository {
  const bytes = world.repository.read('commit', commit)
  return {
    evidence: async () => ({ subject: commit, commit, object: { type: 'commit', bytes }, note: undefined }),
    evidenceForDigest: async (digest: string) => {
      const note = lines[digest]
      return { subject: digest, commit: undefined, object: undefined, note: note && Buffer.from(note.join('\n')) }
    },
  } as unknown as Repository
}

const judged = async (watch: Watch, source: Repository) =>
  await judge(t.engine, watch, source, { commit, object: commit }, plan).then(
    ({ accepted, signers }) => [accepted.commit, ...signers.map(({ name }) => name)],
    error => error.code,
  )
const names = async (watch: Watch, source: Repository) => {
  const { signers, missing } = await standing(t.engine, watch, source, { commit, object: commit }, plan)
  return { signers: signers.map(({ name }) => name), missing }
}

test('without a signed plan it is the commit that must be signed, by as many as are required', async () => {
  const signed = repository({ [digestOf(plan)]: [world.line('bob', digestOf(plan))] })
  expect(await judged(await watchWith(1, false), signed)).toEqual([commit, 'ann'])
  expect(await names(await watchWith(2, false), signed)).toEqual({ signers: ['ann'], missing: ['bob'] })
  expect(await judged(await watchWith(2, false), signed)).toBe('quorum_not_met')
})

test('with one, signatures over the commit do not count; over the digest of another plan neither', async () => {
  const watch = await watchWith(1, true)
  expect(await judged(watch, repository())).toBe('quorum_not_met')
  const other = digestOf({ ...plan, commands: ['false'] } as Plan)
  expect(await judged(watch, repository({ [other]: [world.line('bob', other)] }))).toBe('quorum_not_met')
  const misplaced = repository({ [digestOf(plan)]: [world.line('bob', other)] })
  expect(await judged(watch, misplaced)).toBe('quorum_not_met')
})

test('and those over its own do', async () => {
  const signed = repository({ [digestOf(plan)]: [world.line('bob', digestOf(plan))] })
  expect(await judged(await watchWith(1, true), signed)).toEqual([commit, 'bob'])
  expect(await names(await watchWith(2, true), signed)).toEqual({ signers: ['bob'], missing: ['ann'] })
  expect(await judged(await watchWith(2, true), signed)).toBe('quorum_not_met')
})
