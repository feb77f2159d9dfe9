import { DENIED, type ErrorEntry, INTERNAL, INVALID_REQUEST, UNAVAILABLE } from './error-entry.ts'

/** Of the gate and its schedulers. */
export const GATE_ERRORS = {
  task_id_invalid: {
    ...INVALID_REQUEST,
    cause: 'The task id has not the form of an id of this scheduler',
    remedy: 'Send the id exactly as the scheduler gave it to the task.',
  },
  task_not_found: {
    ...DENIED,
    cause: 'The scheduler does not know this task',
    remedy: 'Check the id, and that the task runs under the scheduler that this gate asks.',
  },
  task_not_started: {
    ...DENIED,
    cause: 'The scheduler knows this task but not that it has started',
    remedy: 'Ask again in a second, from inside the task.',
  },
  task_ended: {
    ...DENIED,
    cause: 'This task has ended',
    remedy: 'Only a task that runs gets a token. If yours does, somebody uses the id of another one.',
  },
  task_foreign: {
    ...DENIED,
    cause: 'Who asks is not this task',
    remedy: 'Ask from inside the task itself, with its own credential.',
  },
  scheduler_unavailable: {
    ...UNAVAILABLE,
    cause: 'The scheduler does not answer, so nobody vouches for the task',
    remedy: 'Nothing was done, and the task may ask again. Check the address of the scheduler.',
  },
  scheduler_lied: {
    http: 502,
    status: 'Unavailable.',
    cause: 'The answer of the scheduler cannot be believed',
    remedy: 'Nothing was done. Check that the address is that of the scheduler; the log says what was wrong.',
  },

  task_too_old: {
    ...DENIED,
    cause: 'This task has been running too long to request a token',
    remedy: 'Ask right after the start; TASK_LIFE is how long a task may wait.',
  },
  task_served: {
    ...DENIED,
    cause: 'This task has been given all the tokens that it may have: possible theft',
    remedy: 'If your task asked once, somebody else asked in its place: find out who, and revoke what was given.',
  },
  task_pending: {
    ...UNAVAILABLE,
    cause: 'Another request for this task is being served, or the node that served it died',
    remedy: 'Ask again in some seconds. If your task asked once, find out who else does.',
  },
  policy_none: {
    ...DENIED,
    cause: 'No policy is for this task',
    remedy: 'Add a policy for its name; `writ policy check FILE TASK` says which one a name gets.',
  },
  policies_invalid: {
    ...INTERNAL,
    cause: 'The policies cannot be used',
    remedy: 'Mend what is named; `writ policy check FILE` finds it before it is saved. The policies from before stay.',
  },
  policies_missing: {
    ...INTERNAL,
    cause: 'There are no policies at the configured path',
    remedy: 'Write them there, or correct the path. `{"*": {"policies": ["default"]}}` gives every task the least.',
  },
  policies_unreadable: {
    ...INTERNAL,
    cause: 'Error loading policy from vault',
    remedy: 'Allow the token of this gate to read the path, and to list it if policies are nested (docs/gate.md).',
  },
  role_not_allowed: {
    ...DENIED,
    cause: 'The policy of this task does not list this role',
    remedy: 'Ask for a role that it lists, or for none, which gives the first.',
  },
  role_unknown: {
    ...DENIED,
    cause: 'There is no such AppRole in Vault',
    remedy: 'Make the role, or correct its name in the policy.',
  },
  token_not_made: {
    ...INTERNAL,
    cause: 'Vault refuses to make the token',
    remedy: 'The task may ask again. Give the token of this gate the rights in docs/gate.md.',
  },
  scheduler_unknown: {
    ...INVALID_REQUEST,
    cause: 'This gate does not know a scheduler of this name',
    remedy: 'Ask without naming one, or name one that the gate was started with.',
  },
  login_refused: {
    ...DENIED,
    cause: 'Vault refuses this login',
    remedy: 'Check the credential and what its method needs.',
  },
  login_weak: {
    ...DENIED,
    cause: 'This credential could make no token for any task',
    remedy: 'Unseal with one that has the rights in docs/gate.md.',
  },
  login_method_unknown: {
    ...INVALID_REQUEST,
    cause: 'There is no such method of logging in',
    remedy: 'Use one of those in docs/gate.md.',
  },
  credential_in_url: {
    ...INVALID_REQUEST,
    cause: 'A credential is in the URL, where every proxy on the way writes it into its log; it was not tried',
    remedy: 'Revoke it and make another one, then send that in the body of the request.',
  },
  gate_not_permitted: {
    ...DENIED,
    cause: 'This needs a Vault token with update on writ/gate',
    remedy: 'Send one in X-Vault-Token. Ask for a Vault policy on writ/gate if yours has none.',
  },
} as const satisfies Record<string, ErrorEntry>
