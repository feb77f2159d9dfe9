import { WritError } from '../../../../protocol/errors.ts'
import type { MesosAddress, ZooKeeperAddress } from './address.ts'
import { readLeader } from './leader.ts'

/** For how long a leader that ZooKeeper named is asked without asking ZooKeeper again, while it answers. */
const TRUST_MS = 5_000

/** Whom to ask, the likeliest leader first. */
export class Masters {
  readonly #address: MesosAddress
  #leader: { readonly host: string; readonly until: number } | undefined
  #finding: Promise<string> | undefined

  constructor(address: MesosAddress) {
    this.#address = address
  }

  async candidates(signal: AbortSignal): Promise<readonly string[]> {
    if (this.#address.kind === 'zookeeper') return [await this.#lead(this.#address, signal)]
    const { hosts } = this.#address
    const last = this.#leader?.host
    return last && hosts.includes(last) ? [last, ...hosts.filter(host => host !== last)] : hosts
  }

  /** It answered as the leader does. */
  leads(host: string): void {
    if (this.#address.kind === 'masters') this.#leader = { host, until: Number.POSITIVE_INFINITY }
  }

  /** It did not. */
  fails(host: string): void {
    if (this.#leader?.host === host) this.#leader = undefined
  }

  async #lead(address: ZooKeeperAddress, signal: AbortSignal): Promise<string> {
    if (this.#leader && this.#leader.until > Date.now()) return this.#leader.host
    // one session for all who wait: each costs the ensemble a write
    this.#finding ??= readLeader(address).finally(() => {
      this.#finding = undefined
    })
    const host = await this.#finding
    signal.throwIfAborted()
    this.#leader = { host, until: Date.now() + TRUST_MS }
    return host
  }
}

/** Nobody of those who were asked leads, or nobody answered. */
export function noLeader(cause?: unknown): WritError {
  return new WritError('scheduler_unavailable', 'no reachable Mesos master leads', { cause })
}
