import { expect, test } from 'vitest'
import { AcceptedCommit, checkQuorum, QuorumRefusal, standingOf } from './quorum.ts'

const EVIDENCE = { subject: 'a'.repeat(40), commit: 'a'.repeat(40), object: undefined, note: undefined }

test('nobody but checkQuorum makes an accepted commit', () => {
  const standing = { required: 0, signers: [], missing: [], refused: [], unusable: [] }
  expect(() => new AcceptedCommit(Symbol('made by checkQuorum'), EVIDENCE, standing)).toThrow('not checked')
  const forged = Object.create(AcceptedCommit.prototype) as AcceptedCommit
  expect(() => forged.commit).toThrow(TypeError)
})

test('what cannot be checked is refused', async () => {
  await expect(checkQuorum(EVIDENCE, [], 1, new Date())).rejects.toMatchObject({ code: 'signatures_unreadable' })
})

test('a refusal says how many are required and shows the standing', async () => {
  const standing = { required: 2, signers: [], missing: ['alice'], refused: [], unusable: [] }
  expect(new QuorumRefusal('2 required', standing)).toMatchObject({ code: 'quorum_not_met', standing })
  await expect(standingOf(EVIDENCE, [], 1, new Date())).rejects.toMatchObject({ code: 'signatures_unreadable' })
})
