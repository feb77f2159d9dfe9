import { DENIED, type ErrorEntry, INVALID_REQUEST, NOT_FOUND, UNAVAILABLE } from './error-entry.ts'

/** What the watch refuses: repositories, signatures, webhooks. */
export const WATCH_ERRORS = {
  repository_address_invalid: {
    ...INVALID_REQUEST,
    cause: 'The address of the repository is refused',
    remedy:
      'Write https://host/path, ssh://user@host/path or user@host:path, without a password: that belongs to configure/git_credential.',
  },
  repository_branch_invalid: {
    ...INVALID_REQUEST,
    cause: 'The name of the branch is refused',
    remedy: 'Write the name of a branch as git allows it, such as main, or refs/tags/NAME for a tag.',
  },
  repository_unreachable: {
    ...UNAVAILABLE,
    cause: 'The git server does not answer as it should',
    remedy: 'Nothing was accepted. See the reason given; the watch looks again by itself.',
  },
  repository_refused: {
    ...DENIED,
    cause: 'The git server does not accept the credentials, or there is no such repository for them',
    remedy: 'Check the address, and write configure/git_credential again.',
  },
  repository_host_unknown: {
    ...DENIED,
    cause: 'The git server is not the one that is pinned: another certificate or host key, possibly an interception',
    remedy: 'Find out why. Only if the server changed its key on purpose, replace the pinned key or the CA.',
  },
  repository_branch_missing: {
    ...NOT_FOUND,
    cause: 'The branch is not in the repository',
    remedy: 'Check the name of the branch; the watch looks again by itself.',
  },
  repository_too_large: {
    ...INVALID_REQUEST,
    cause: 'The repository is larger than this server fetches',
    remedy: 'Take large files out of its history, or raise the limit.',
  },
  repository_unsupported: {
    ...INVALID_REQUEST,
    cause: 'A repository of this kind cannot be checked',
    remedy: 'Use a complete repository with SHA-1 object names, not a shallow one.',
  },
  repository_damaged: {
    ...DENIED,
    cause: 'An object of the repository is not what its id says, or is malformed: possible tampering',
    remedy: 'Run git fsck on the server and find out who changed the object.',
  },
  commit_unknown: {
    ...NOT_FOUND,
    cause: 'The commit is not in the repository',
    remedy: 'Check its id. If the branch was rewritten, writ watch accept takes its new tip, with the same signatures.',
  },
  commit_not_descendant: {
    ...DENIED,
    cause: 'The tip of the branch is not a descendant of the last successfully processed commit',
    remedy: 'Find out who rewrote the branch. If it was on purpose, writ watch accept takes its new tip.',
  },
  tree_unsafe: {
    ...INVALID_REQUEST,
    cause: 'The files of the commit hold an entry that is refused',
    remedy: 'Commit plain files, folders and links that stay inside, with names in UTF-8.',
  },
  tree_too_large: {
    ...INVALID_REQUEST,
    cause: 'The files of the commit are more or larger than is allowed',
    remedy: 'Put large files into the image, or fetch them in the job.',
  },
  trusted_key_invalid: {
    ...INVALID_REQUEST,
    cause: 'A trusted key cannot be read',
    remedy: 'Write an armoured OpenPGP public key or lines of an allowed_signers file; take the broken one out.',
  },
  quorum_invalid: {
    ...INVALID_REQUEST,
    cause: 'The required number of signatures is not a whole number of 0 or more',
    remedy: 'Write required_number_of_verified_signatures_on_commit as a whole number.',
  },
  quorum_not_met: {
    ...DENIED,
    cause: 'Not enough verified signatures by trusted people',
    remedy: 'Have it signed: writ watch sign adds a signature, writ watch status shows whose is missing.',
  },
  signatures_unreadable: {
    ...DENIED,
    cause: 'The signatures of the commit cannot be checked, so they do not count',
    remedy: 'See the reason given; refs/tags/latest-signature has to name a commit with a tree of notes.',
  },
  signature_not_pushed: {
    ...UNAVAILABLE,
    cause: 'The signature could not be added to the repository',
    remedy: 'See the reason given, then sign again; nothing was changed.',
  },
  webhook_refused: {
    ...DENIED,
    cause: 'The webhook does not carry the secret that is agreed for this watch',
    remedy: 'Enter the same secret at the git server. Until then the watch looks at its usual times.',
  },
} as const satisfies Record<string, ErrorEntry>
