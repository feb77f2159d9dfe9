import { WritError } from '../../../protocol/errors.ts'
import type { Evidence } from './evidence.ts'

/** A key belongs to a name, and names are people. Several entries may have the same name. */
export interface TrustedKey {
  readonly name: string
  /**
   * Armoured OpenPGP public keys (one or more), or lines of public ssh keys: `ssh-ed25519 AAAA… comment` or as in an
   * allowed_signers file with its principals and options in front.
   */
  readonly key: string
}

/** Somebody whose signature counts. */
export interface Signer {
  readonly name: string
  /** OpenPGP: of the primary key, hexadecimal, capitals. ssh: `SHA256:` and base64, as ssh-keygen prints it. */
  readonly fingerprint: string
  readonly method: 'openpgp' | 'ssh'
  readonly where: 'commit' | 'tag' | 'note'
  /** As the signature claims; ssh signatures do not say. */
  readonly at: Date | undefined
}

/** A signature that does not count, and why. */
export interface RefusedSignature {
  readonly where: 'commit' | 'tag' | 'note'
  /** Line of the note, from 1. */
  readonly line: number | undefined
  readonly why: string
}

/** A trusted key with which nobody can sign at the moment: expired, revoked, too weak. */
export interface UnusableKey {
  readonly name: string
  readonly fingerprint: string
  readonly why: string
}

/** How far a commit is, for people to look at. It permits nothing. */
export interface Standing {
  readonly required: number
  readonly signers: readonly Signer[]
  /** Names with a usable key that have not signed. */
  readonly missing: readonly string[]
  readonly refused: readonly RefusedSignature[]
  readonly unusable: readonly UnusableKey[]
}

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
  const standing = await standingOf(evidence, keys, required, now)
  if (standing.signers.length < required) throw new QuorumRefusal(`${required} required`, standing)
  return new AcceptedCommit(MADE_HERE, evidence, standing)
}

/** The same without a verdict, for `writ watch status`. Throws as `checkQuorum` does, but not for a lack of signatures. */
export async function standingOf(
  _evidence: Evidence,
  _keys: readonly TrustedKey[],
  _required: number,
  _now: Date,
): Promise<Standing> {
  throw new WritError('signatures_unreadable', 'not built yet')
}
