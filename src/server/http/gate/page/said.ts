/** What the page says after a form was sent; nothing else that is in its address is shown. */
const SAID = {
  unsealed: 'Unsealed.',
  already: 'It was unsealed already; nothing was changed.',
  sealed: 'Sealed.',
  reloaded: 'The policies were read again.',
  login_refused: 'Vault refuses this credential. Nothing was changed.',
  login_weak: 'The credential is good, but may not make tokens for tasks. It stays sealed.',
  login_method_unknown: 'There is no such method.',
  vault_unavailable: 'Vault does not answer. Nothing was changed; try again when it is back.',
  policies_missing: 'The credential is good, but there are no policies at the configured path. It stays sealed.',
  policies_invalid: 'The policies cannot be used; the log of the gate says what is wrong. Nothing was changed.',
  policies_unreadable: 'The credential is good, but may not read the policies. Nothing was changed.',
  gate_not_permitted: 'This needs a Vault token whose policies allow update on writ/gate.',
  server_sealed: 'It is sealed.',
  failed: 'That failed; the log of the gate says why.',
} as const

export type Said = keyof typeof SAID

export function isSaid(text: unknown): text is Said {
  return typeof text === 'string' && Object.hasOwn(SAID, text)
}

export const textOf = (said: Said) => SAID[said]
export const isGood = (said: Said) => ['unsealed', 'already', 'sealed', 'reloaded'].includes(said)
