/** Who administers the gate, for the log and the audit trail: never a credential. */
export interface Operator {
  /** Empty: over a Unix socket. */
  readonly address: string
  /** Display name of the token that permitted it; none where none is asked for. */
  readonly name?: string
  /** Hex SHA-256 of its accessor: says which one it was, and cannot be used to revoke it. */
  readonly accessor_hash?: string
}

export type AdministrativeAction = 'gate.sealed' | 'gate.unsealed' | 'gate.policies_reloaded'

/** An entry of the audit trail about what an operator does. */
export function actOf(action: AdministrativeAction, by: Operator, detail: Readonly<Record<string, unknown>> = {}) {
  const { address, ...token } = by
  return { action, actor: address || 'a local process', detail: { ...token, ...detail } }
}
