import { WritError } from '../../../protocol/errors.ts'
import { NotASignature } from './armor.ts'
import { candidatesIn } from './candidates.ts'
import type { Evidence } from './evidence.ts'
import { type Person, readPeople, reason, unusableKeys } from './keyring.ts'
import { signerOf } from './signer.ts'
import type { Signer, Standing, TrustedKey, UnusableKey } from './standing.ts'

export type { Signer, Standing, TrustedKey } from './standing.ts'

/** `quorum_not_met`, with all that is known about why. */
export class QuorumRefusal extends WritError {
  readonly standing: Standing

  constructor(detail: string, standing: Standing) {
    super('quorum_not_met', detail)
    this.standing = standing
  }
}

const MADE_HERE = Symbol('made by checkQuorum')

/**
 * The proof that a quorum was met. Whatever runs a commit asks for one of these instead of an id, and only
 * `checkQuorum` makes them: a check that was skipped, or whose failure was only logged, leaves nothing to run. It cannot
 * be stored: after a restart, check again.
 */
export class AcceptedCommit {
  readonly #commit: string | undefined
  readonly #subject: string
  readonly #standing: Standing

  constructor(made: symbol, evidence: Evidence, standing: Standing) {
    if (made !== MADE_HERE) throw new WritError('quorum_not_met', 'not checked')
    this.#commit = evidence.commit
    this.#subject = evidence.subject
    this.#standing = standing
  }

  /** Of an object that nobody but `checkQuorum` can have made: one that only looks like it is refused. */
  static commitOf(accepted: AcceptedCommit): string {
    if (!(#commit in accepted)) throw new WritError('quorum_not_met', 'not checked')
    return accepted.commit
  }

  /** The commit whose files may run. Throws for an accepted digest. */
  get commit(): string {
    if (this.#commit === undefined) throw new WritError('quorum_not_met', 'what was signed is not a commit')
    return this.#commit
  }

  /** The id of the signed object (commit or tag), or the signed digest. */
  get subject(): string {
    return this.#subject
  }

  get signers(): readonly Signer[] {
    return this.#standing.signers
  }

  get required(): number {
    return this.#standing.required
  }
}

/**
 * Have at least `required` people signed? Throws `QuorumRefusal` if not, `quorum_invalid`, `trusted_key_invalid`, or
 * `signatures_unreadable`: any doubt is a refusal, and only a returned value is a yes. 0 required passes at once, without
 * looking at keys or signatures (gitops-quorum.md, "Counting").
 *
 * A person counts once, however many keys and signatures they have; two names that share a key are one person. A key
 * counts if it is valid at `now`, whatever date the signature claims.
 */
export async function checkQuorum(
  evidence: Evidence,
  keys: readonly TrustedKey[],
  required: number,
  now: Date,
): Promise<AcceptedCommit> {
  if (checkedNumber(required) === 0) return new AcceptedCommit(MADE_HERE, evidence, { ...NOBODY, required })
  const standing = await standingOf(evidence, keys, required, now)
  const { signers, missing } = standing
  // Written so that anything but a clear yes refuses.
  if (signers.length >= required) return new AcceptedCommit(MADE_HERE, evidence, standing)
  const possible = signers.length + missing.length
  const names = signers.length > 0 ? ` (${signers.map(({ name }) => name).join(', ')})` : ''
  const enough = possible < required ? `; only ${possible} trusted people have a key that is valid today` : ''
  throw new QuorumRefusal(
    `${required} verified signatures are required, ${signers.length} found${names}${enough}`,
    standing,
  )
}

/** The same without a verdict, for `writ watch status`. Throws as `checkQuorum` does, but not for a lack of signatures. */
export async function standingOf(
  evidence: Evidence,
  keys: readonly TrustedKey[],
  required: number,
  now: Date,
): Promise<Standing> {
  checkedNumber(required)
  if (Number.isNaN(now.getTime())) throw new WritError('signatures_unreadable', 'the time is not known')
  const people = await readPeople(keys)
  const { candidates, refused } = candidatesIn(evidence)
  const signed = new Map<Person, Signer>()
  for (const candidate of candidates) {
    const { where, line } = candidate
    try {
      const [person, signer] = await signerOf(candidate, people, now)
      if (signed.has(person)) throw new NotASignature(`${person.name} has signed already`)
      signed.set(person, signer)
    } catch (error) {
      refused.push({ where, line, why: reason(error) })
    }
  }
  const unusable: UnusableKey[] = []
  const missing: string[] = []
  for (const person of people) {
    const state = await unusableKeys(person, now)
    unusable.push(...state.unusable)
    if (state.canSign && !signed.has(person)) missing.push(person.name)
  }
  return { required, signers: [...signed.values()], missing, refused, unusable }
}

const NOBODY = { signers: [], missing: [], refused: [], unusable: [] }

function checkedNumber(required: number): number {
  if (!Number.isSafeInteger(required) || required < 0) throw new WritError('quorum_invalid')
  return required
}
