import { Counter, Histogram, Registry } from 'prom-client'
import type { VaultCall } from '../../vault/client.ts'

const SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1_800, 7_200, 43_200]

/**
 * What this node counts while it works, for Prometheus. Labels are of fixed sets: never a queue, an image, a path of a secret or an id,
 * of which callers can make as many as they like.
 */
export class Meters {
  readonly registry = new Registry()
  readonly claimed = this.#counter('writ_jobs_claimed_total', 'Jobs that this node has claimed.')
  readonly takenOver = this.#counter(
    'writ_jobs_taken_over_total',
    'Jobs whose node had gone and that this one took over.',
  )
  readonly #ended = new Counter({
    name: 'writ_jobs_ended_total',
    help: 'Jobs that have ended on this node, by status and code of the error (docs/errors.md), if any.',
    labelNames: ['status', 'code'],
    registers: [this.registry],
  })
  readonly #wait = this.#histogram('writ_job_wait_seconds', 'From the submission of a job to its claim.')
  readonly #run = this.#histogram('writ_job_run_seconds', 'From the claim of a job to its end.')
  readonly #vault = new Histogram({
    name: 'writ_vault_request_duration_seconds',
    help: 'Calls to Vault with their repetitions, by operation and outcome.',
    labelNames: ['operation', 'outcome'],
    registers: [this.registry],
  })

  ended(status: string, code: string, times: { submitted: Date; started: Date | null; ended: Date }): void {
    this.#ended.inc({ status, code: code || 'none' })
    if (!times.started) return
    this.#wait.observe(secondsBetween(times.submitted, times.started))
    this.#run.observe(secondsBetween(times.started, times.ended))
  }

  vaultCall({ method, path, outcome, ms }: VaultCall): void {
    this.#vault.observe({ operation: operationOf(method, path), outcome }, ms / 1000)
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.registry] })
  }

  #histogram(name: string, help: string): Histogram {
    return new Histogram({ name, help, buckets: SECONDS, registers: [this.registry] })
  }
}

/** Clocks of two machines: a node that is behind its database must not count backwards. */
function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime()) / 1000
}

/** Paths of Vault's own that say nothing about anybody; anything behind them is cut off. */
const OPERATIONS =
  /^(auth\/token\/(lookup-self|lookup-accessor|renew-self|renew-accessor|revoke-self|revoke-accessor|create)|sys\/(capabilities-self|leases\/(renew|revoke)|wrapping\/(lookup|unwrap|wrap))|transit\/(encrypt|decrypt|rewrap)|cubbyhole)(\/|$)/

export function operationOf(method: string, path: string): string {
  const known = OPERATIONS.exec(path)?.[1]
  if (known) return known
  if (/^auth\/.*login/.test(path)) return 'login'
  return method === 'GET' ? 'read' : 'other'
}
