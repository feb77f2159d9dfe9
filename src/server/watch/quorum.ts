import { digestOf, type Plan } from '../../protocol/watch-plan.ts'
import type { Engine } from '../jobs/engine.ts'
import { listKeys } from '../store/watch-keys.ts'
import type { WatchSigner } from '../store/watch-schema.ts'
import type { Watch } from '../store/watches.ts'
import { optionsOf } from './options.ts'
import type { Repository } from './repository/repository.ts'
import {
  type AcceptedCommit,
  checkQuorum,
  type Signer,
  type Standing,
  standingOf,
  type TrustedKey,
} from './signatures/quorum.ts'

/** What is asked: may this object (commit, or the tag that names it) of this watch run? */
export interface Candidate {
  readonly commit: string
  readonly object: string
}

export interface Verdict {
  /** The proof without which no files are handed out. */
  readonly accepted: AcceptedCommit
  readonly signers: readonly WatchSigner[]
}

async function trustedKeys(engine: Engine, watch: Watch): Promise<TrustedKey[]> {
  return (await listKeys(engine.db, watch.name)).map(({ name, public_key }) => ({ name, key: public_key }))
}

/**
 * Have enough people signed? With `require_signed_plan` what they must have signed is the digest of the plan, which names the
 * commit; signatures over the commit alone do not count then. Asked when a commit is taken up and again when its job starts, by
 * whichever node: keys may have been revoked in between. Throws what `checkQuorum` and `Repository.evidence` throw.
 */
export async function judge(
  engine: Engine,
  watch: Watch,
  repository: Repository,
  { object }: Candidate,
  plan: Plan,
): Promise<Verdict> {
  const required = requiredBy(watch)
  const keys = await trustedKeys(engine, watch)
  const now = new Date()
  const evidence = await repository.evidence(object)
  if (!optionsOf(watch.options).require_signed_plan) {
    const accepted = await checkQuorum(evidence, keys, required, now)
    return { accepted, signers: accepted.signers.map(signerOf) }
  }
  const signed = await checkQuorum(await repository.evidenceForDigest(digestOf(plan)), keys, required, now)
  // the digest names the commit, so whoever signed it has signed that as well
  return { accepted: await checkQuorum(evidence, [], 0, now), signers: signed.signers.map(signerOf) }
}

/** How far it is, for people to look at. */
export async function standing(
  engine: Engine,
  watch: Watch,
  repository: Repository,
  { object }: Candidate,
  plan: Plan,
): Promise<Standing> {
  const signedPlan = optionsOf(watch.options).require_signed_plan
  const evidence = signedPlan ? await repository.evidenceForDigest(digestOf(plan)) : await repository.evidence(object)
  return await standingOf(evidence, await trustedKeys(engine, watch), requiredBy(watch), new Date())
}

export function requiredBy(watch: Watch): number {
  return watch.configuration?.required_number_of_verified_signatures_on_commit ?? 0
}

function signerOf({ name, fingerprint }: Signer): WatchSigner {
  return { name, fingerprint }
}
