import type { Gate } from '../../gate/gate.ts'
import type { Counters } from './counters.ts'
import type { GateHttpSettings } from './settings.ts'

/** The status as both versions and our own page read it (gatekeeper.md §2.2, §13.2); keys in version 1's order, then the others. */
export function statusBody(gate: Gate, counters: Counters, settings: GateHttpSettings) {
  const { phase, sealed, reason, method, next } = gate.parts.identity.state
  const { requests, successful, denied, failed } = counters
  return {
    stats: { requests, successful, denied, failed },
    uptime: counters.uptime,
    status: sealed ? 'Sealed' : 'Unsealed',
    started: counters.started,
    ok: true,
    version: settings.version,
    provider: [...gate.parts.schedulers.keys()].join(','),
    id: counters.id,
    unsealed: !sealed,
    phase,
    reason,
    method,
    next: next && { what: next.what, at: next.at.toISOString() },
    policies: gate.policyCount,
    problem: gate.problem,
    alarms: gate.parts.alarms.count,
    legacy_admin: settings.legacyAdmin,
  }
}

export type StatusBody = ReturnType<typeof statusBody>
