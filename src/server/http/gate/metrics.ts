import type { StatusBody } from './status.ts'

/** For Prometheus. Written by hand: a registry would cost a gate that is alone a tenth of its memory. */
export function metricsText(status: StatusBody): string {
  const { stats, phase, policies, alarms } = status
  const counters: [string, string, number][] = [
    ['requests', 'Requests for a token.', stats.requests],
    ['successful', 'Requests that were given a token.', stats.successful],
    ['denied', 'Requests that were not.', stats.denied],
    ['failed', 'Those of them where it was not the fault of the task.', stats.failed],
    ['alarms', 'Second requests of a task, and requests of somebody else.', alarms],
  ]
  const lines = counters.flatMap(([name, help, value]) => [
    `# HELP writ_gate_${name}_total ${help}`,
    `# TYPE writ_gate_${name}_total counter`,
    `writ_gate_${name}_total ${value}`,
  ])
  lines.push('# HELP writ_gate_phase 1 for the phase that the gate is in.', '# TYPE writ_gate_phase gauge')
  for (const name of ['sealed', 'unsealed', 'degraded']) {
    lines.push(`writ_gate_phase{phase="${name}"} ${name === phase ? 1 : 0}`)
  }
  lines.push('# HELP writ_gate_policies Patterns that are loaded.', '# TYPE writ_gate_policies gauge')
  lines.push(`writ_gate_policies ${policies}`, '')
  return lines.join('\n')
}
