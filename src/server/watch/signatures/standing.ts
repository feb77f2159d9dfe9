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
