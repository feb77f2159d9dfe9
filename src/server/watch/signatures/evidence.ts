/** Everything that signatures of one object can be found in. Made by `Repository.evidence`. */
export interface Evidence {
  /** What lines of notes sign, in ASCII: the id of the object, or the digest of a plan. */
  readonly subject: string
  /** The commit that runs if this is accepted; undefined for a digest. */
  readonly commit: string | undefined
  /** The object itself, exactly as git hashes it; undefined for a digest. */
  readonly object: { readonly type: 'commit' | 'tag'; readonly bytes: Uint8Array } | undefined
  /** The note: one signature per line (gitops-quorum.md). */
  readonly note: Uint8Array | undefined
}
