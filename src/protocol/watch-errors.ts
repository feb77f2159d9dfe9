import { DENIED, type ErrorEntry, INVALID_JOB, INVALID_REQUEST, NOT_FOUND, UNAVAILABLE } from './error-entry.ts'

/** What the watch refuses: repositories, signatures, webhooks; and what goes wrong with its jobs on Kubernetes. */
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
  tree_submodules: {
    ...INVALID_REQUEST,
    cause: 'The commit has a submodule, and its watch does not say what is to become of it',
    remedy:
      'Set submodules to fetch in configure/options, or to empty if its files are not needed. Or bring them into the repository (git subtree).',
  },
  submodule_undeclared: {
    ...INVALID_REQUEST,
    cause: 'A submodule of the commit has no entry in .gitmodules',
    remedy: 'Commit a .gitmodules that has path and url of each submodule, or take the submodule out (git rm).',
  },
  submodule_invalid: {
    ...INVALID_REQUEST,
    cause: 'The submodules of the commit are declared in a way that is refused',
    remedy:
      'See the reason given. Each submodule has one entry in .gitmodules, a plain file; they are not too many, not too deep in each other, and none is in itself.',
  },
  submodule_address_refused: {
    ...INVALID_REQUEST,
    cause: 'The address of a submodule is refused',
    remedy: 'Write a relative one such as ../NAME.git, or https://host/path, without a password.',
  },
  submodule_host_refused: {
    ...DENIED,
    cause: 'A submodule is on another server than its watch, and that one is not listed',
    remedy:
      'If it is to be trusted, add it to submodule_hosts in configure/options; it gets no credential. Otherwise find out who wants it asked.',
  },
  submodule_commit_missing: {
    ...INVALID_REQUEST,
    cause: 'The server does not have, or does not give, the commit of a submodule that the signed commit names',
    remedy: 'Push that commit to a branch or tag of the repository of the submodule.',
  },
  lfs_pointer_invalid: {
    ...INVALID_REQUEST,
    cause: 'A file of the commit begins like a pointer of git-lfs and is none',
    remedy: 'Track it with git-lfs again (git add --renormalize), without extensions.',
  },
  lfs_missing: {
    ...INVALID_REQUEST,
    cause: 'The LFS server does not have a content that the signed commit names, or not for this credential',
    remedy: 'Push it (git lfs push --all), or check configure/git_credential.',
  },
  lfs_refused: {
    ...DENIED,
    cause: 'The LFS server refuses, or answers what is not accepted',
    remedy:
      'See the reason given; check configure/git_credential, and that the server speaks the batch API itself, without redirections.',
  },
  lfs_content_wrong: {
    ...DENIED,
    cause: 'A content of LFS is not what the signed commit names: possible tampering',
    remedy: 'Nothing was run. Run git lfs fsck against the server and find out who changed the content.',
  },
  lfs_unsupported: {
    ...INVALID_REQUEST,
    cause: 'Contents of LFS cannot be fetched in this way',
    remedy: 'Watch the repository over https, by a server that does basic transfers.',
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
  plan_not_trusted: {
    ...DENIED,
    cause: 'What the server shows and what it asks to be signed are not the same: possible tampering',
    remedy:
      'Nothing was signed. Find out who answers in the place of the server, or whether its version is newer than yours.',
  },
  signature_not_pushed: {
    ...UNAVAILABLE,
    cause: 'The signature could not be added to the repository',
    remedy: 'See the reason given, then sign again; nothing was changed.',
  },
  watch_name_invalid: {
    ...INVALID_REQUEST,
    cause: 'A watch cannot have this name',
    remedy: 'Use letters, digits, _ . and -, and none of api, auth, cubbyhole, identity and sys.',
  },
  watch_exists: {
    ...INVALID_REQUEST,
    cause: 'path is already in use',
    remedy:
      'Take another name, or disable the watch that has this one; a-b and a_b are one name, and names do not differ only in case.',
  },
  watch_type_unknown: {
    ...INVALID_REQUEST,
    cause: 'plugin not found in the catalog',
    remedy: 'The one engine that can be enabled here is flant_gitops; others belong to Vault itself.',
  },
  watch_not_found: {
    ...NOT_FOUND,
    cause: 'no handler for route',
    remedy:
      'No watch of that name: `vault secrets enable -path=NAME flant_gitops` makes one, `writ watch ls` lists them.',
  },
  watch_path_unknown: {
    ...NOT_FOUND,
    cause: 'unsupported path',
    remedy: 'See docs/watch.md for the paths of a watch, or ask for the help of its mount.',
  },
  watch_operation_unsupported: {
    http: 405,
    status: 'Invalid request.',
    cause: 'unsupported operation',
    remedy: 'See the help of the path. Records with secrets can be written and removed, never read.',
  },
  watch_field_invalid: {
    ...INVALID_REQUEST,
    cause: 'A field is refused',
    remedy: 'Correct the field that is named; the help of the path lists all of them.',
  },
  watch_not_permitted: {
    ...DENIED,
    cause: 'No policy of yours allows this on the watch',
    remedy: 'Ask for a Vault policy with read, list, update or delete on writ/watches/<name>.',
  },
  watch_not_configured: {
    ...INVALID_REQUEST,
    cause: 'The watch is not configured',
    remedy: 'Write <mount>/configure first, or `writ watch add`.',
  },
  watch_access_missing: {
    ...INVALID_REQUEST,
    cause: 'The watch has Vault requests and no access to a Vault to make them at',
    remedy: 'Write <mount>/configure_vault_access.',
  },
  watch_access_failed: {
    http: 500,
    status: 'Internal Error.',
    cause: 'The Vault of this watch refuses',
    remedy:
      'See the reason given; the role needs to make and destroy its own SecretIDs, and what its requests ask for.',
  },
  watch_vault_unavailable: {
    ...UNAVAILABLE,
    cause: 'The Vault of this watch does not answer, or is sealed',
    remedy:
      'Check vault_addr and vault_cacert of configure_vault_access. The commit is taken up again when it is back.',
  },
  watch_request_uncertain: {
    ...UNAVAILABLE,
    cause: 'A Vault request of the watch that changes something may have been made, and what came of it is not known',
    remedy:
      'Nothing was run. The request is not repeated within this run; the next attempt makes all of them, so set max_attempts to 1 if that must not be.',
  },
  watch_request_failed: {
    ...DENIED,
    cause: 'A Vault request of the watch failed',
    remedy: 'See the reason given; check path, method and options of the request and the policy of the role.',
  },
  watch_changed: {
    ...DENIED,
    cause: 'The watch was changed while this commit was taken up or accepted',
    remedy:
      'Nothing was run. The watch takes the commit up again by itself, with what is configured now; an acceptance is to be repeated.',
  },
  watch_busy: {
    ...INVALID_REQUEST,
    cause: 'A commit of this watch is running',
    remedy: 'Wait for its end, or cancel it.',
  },
  watch_plan_busy: {
    http: 429,
    status: 'Too Many Requests.',
    cause: 'Several plans of this watch are being made already',
    remedy: 'Ask again when they are done. What is on record is at <mount>/status, which asks nobody.',
  },
  watch_task_unknown: {
    ...NOT_FOUND,
    cause: 'No such task',
    remedy: 'List the tasks; the newest task_history_limit of them are kept.',
  },
  webhook_refused: {
    ...DENIED,
    cause: 'The webhook does not carry the secret that is agreed for this watch',
    remedy: 'Enter the same secret at the git server. Until then the watch looks at its usual times.',
  },
  namespace_not_permitted: {
    ...DENIED,
    cause: 'No policy of yours allows watches to run jobs in this namespace of Kubernetes',
    remedy: 'Ask for a Vault policy with `update` on writ/namespaces/<namespace>.',
  },
  namespace_unavailable: {
    ...UNAVAILABLE,
    cause: 'This server runs no jobs on Kubernetes, or none in the namespace of this watch',
    remedy: 'An administrator names it in WRIT_KUBERNETES_NAMESPACES; the watch goes on by itself then.',
  },
  kubernetes_refused: {
    ...DENIED,
    cause: 'Kubernetes does not let this server run the job',
    remedy: 'See the reason given. What its service account needs is in docs/watch.md.',
  },
  kubernetes_job_refused: {
    ...INVALID_JOB,
    cause: 'Kubernetes refuses the Job of the template',
    remedy: 'See the reason given, and write configure/kubernetes_job again.',
  },
  pod_not_started: {
    ...INVALID_JOB,
    cause: 'The pod of this job has not started in time, and was removed',
    remedy:
      'See the reason given and the output: an image that cannot be pulled and a pod that fits on no machine are the usual ones. How long it is waited for is WRIT_KUBERNETES_START_TIMEOUT.',
  },
} as const satisfies Record<string, ErrorEntry>
