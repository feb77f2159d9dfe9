import { afterAll, beforeAll, expect, test } from 'vitest'
import { World } from '../../../../test/repositories/world.ts'
import type { Evidence } from './evidence.ts'
import { AcceptedCommit, checkQuorum, QuorumRefusal, standingOf } from './quorum.ts'

const world = new World()
let now: Date
let evidence: Evidence

function evidenceOf(commit: string, ...lines: readonly string[]): Evidence {
  const bytes = world.repository.read('commit', commit)
  return { subject: commit, commit, object: { type: 'commit', bytes }, note: Buffer.from(lines.join('\n')) }
}

beforeAll(() => {
  world.trust('ann', 'bob', 'cat')
  const commit = world.signed('ann')
  evidence = evidenceOf(commit, world.line('bob', commit))
  now = new Date()
})
afterAll(() => world.close())

test('the defect of the original: a failed check leaves nothing that could be run', async () => {
  const unsigned = evidenceOf(world.unsigned())
  const refusal = await checkQuorum(unsigned, world.trust('ann'), 1, now).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(QuorumRefusal)
  expect(refusal).toMatchObject({ code: 'quorum_not_met', standing: { signers: [], missing: ['ann'] } })
  expect(String(refusal)).toContain('1 verified signatures are required, 0 found')
})

test('nobody but checkQuorum makes an accepted commit', () => {
  const standing = { required: 0, signers: [], missing: [], refused: [], unusable: [] }
  expect(() => new AcceptedCommit(Symbol('made by checkQuorum'), evidence, standing)).toThrow('not checked')
  const forged = Object.create(AcceptedCommit.prototype) as AcceptedCommit
  expect(() => forged.commit).toThrow(TypeError)
  // whoever hands files out asks in this way: also what only looks like one is none
  const alike = { commit: evidence.commit, subject: evidence.subject, signers: [], required: 0 }
  for (const made of [forged, alike as unknown as AcceptedCommit])
    expect(() => AcceptedCommit.commitOf(made)).toThrow(expect.objectContaining({ code: 'quorum_not_met' }))
})

test('who signed, with which key, where and when; who has not', async () => {
  const accepted = await checkQuorum(evidence, world.trust('ann', 'bob', 'cat'), 2, now)
  expect(accepted.commit).toBe(evidence.commit)
  const at = expect.any(Date) as Date
  expect(accepted.signers).toEqual([
    { name: 'ann', fingerprint: world.gpg.fingerprint('ann'), method: 'openpgp', where: 'commit', at },
    { name: 'bob', fingerprint: world.gpg.fingerprint('bob'), method: 'openpgp', where: 'note', at },
  ])
  expect(await standingOf(evidence, world.trust('ann', 'bob', 'cat'), 3, now)).toMatchObject({ missing: ['cat'] })
  await expect(checkQuorum(evidence, world.trust('ann', 'bob', 'cat'), 3, now)).rejects.toThrow('2 found (ann, bob)')
  await expect(checkQuorum(evidence, world.trust('ann', 'bob'), 3, now)).rejects.toThrow('only 2 trusted people')
})

test('0 required passes unsigned, without a key being read', async () => {
  const accepted = await checkQuorum(evidenceOf(world.unsigned()), [{ name: 'x', key: 'broken' }], 0, now)
  expect(accepted.signers).toEqual([])
})

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1' as unknown as number])(
  '%s signatures cannot be required',
  async required => {
    await expect(checkQuorum(evidence, world.trust('ann'), required, now)).rejects.toMatchObject({
      code: 'quorum_invalid',
    })
  },
)

test('a clock that shows nothing', async () => {
  await expect(checkQuorum(evidence, world.trust('ann'), 1, new Date('x'))).rejects.toMatchObject({
    code: 'signatures_unreadable',
  })
})

test('an accepted digest is no commit', async () => {
  const digest = 'ab'.repeat(32)
  const note = Buffer.from(world.line('ann', digest))
  const plan = { subject: digest, commit: undefined, object: undefined, note }
  const accepted = await checkQuorum(plan, world.trust('ann'), 1, now)
  expect(accepted.subject).toBe(digest)
  expect(() => accepted.commit).toThrow('not a commit')
})

test('a key that cannot be read is named', async () => {
  const keys = [...world.trust('ann'), { name: 'bob', key: 'canary' }]
  const refusal = await checkQuorum(evidence, keys, 1, now).catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'trusted_key_invalid', detail: 'bob: a line without a public ssh key' })
})

test('a private key is called that, so that somebody takes it out of use', async () => {
  const openssh = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----'
  for (const key of [world.gpg.exportSecret(world.pgp('ann')), openssh])
    await expect(checkQuorum(evidence, [{ name: 'bob', key }], 1, now)).rejects.toMatchObject({
      code: 'trusted_key_invalid',
      detail: 'bob: a private key; take it out and replace it, it is known now',
    })
})
