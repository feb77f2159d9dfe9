import { pino } from 'pino'
import { expect } from 'vitest'
import { WritError } from '../src/protocol/errors.ts'
import type { AuditEntry } from '../src/server/audit/audit.ts'
import { type Alarm, Alarms } from '../src/server/gate/alarms.ts'
import { Deadline } from '../src/server/gate/deadline.ts'
import { Gate, type Issued } from '../src/server/gate/gate.ts'
import type { Caller, Scheduler, Task } from '../src/server/gate/schedulers/scheduler.ts'
import { parseTaskId } from '../src/server/gate/schedulers/task-id.ts'
import type { GateSettings } from '../src/server/gate/settings.ts'
import { MemoryUses } from '../src/server/gate/uses/memory.ts'
import type { Uses } from '../src/server/gate/uses/uses.ts'
import { Identity } from '../src/server/identity/identity.ts'
import type { Secret } from '../src/vault/secret.ts'
import type { Signal } from '../src/vault/signal.ts'
import { lookupSelf } from '../src/vault/token.ts'
import { unwrap } from '../src/vault/wrapping.ts'
import { startTestVault, type TestVault } from './dev-vault.ts'

/** A scheduler that says what the test wants it to say. */
class ToldScheduler implements Scheduler {
  readonly name: string
  readonly tasks = new Map<string, Partial<Task>>()
  lookups = 0
  /** Takes the place of the answer, when it is set. */
  instead: ((id: string, signal: Signal) => Promise<Task>) | null = null

  constructor(name = 'mesos') {
    this.name = name
  }

  parseTaskId(text: string) {
    return parseTaskId(text, /[A-Za-z0-9._:/-]+/)
  }

  async lookup(id: ReturnType<Scheduler['parseTaskId']>, _caller: Caller, signal: Signal): Promise<Task> {
    this.lookups += 1
    if (this.instead) return await this.instead(id, signal)
    const task = this.tasks.get(id)
    if (!task) throw new WritError('task_not_found')
    return { id, name: 'app', startedAt: new Date(), state: 'running', meta: {}, ...task }
  }

  async close(): Promise<void> {}
}

const GATE_SETTINGS: GateSettings = {
  policies: { path: 'secret/gatekeeper', nested: false, lastWins: false, renewable: true },
  taskLifeMs: 120_000,
  clockSkewMs: 30_000,
  wrapTtlSeconds: 120,
  approleMount: 'approle',
  hostCheck: false,
  useImageName: false,
}

export const CALLER: Caller = { address: '127.0.0.1' }

/** A gate on the embedded Vault. */
export class GateBench {
  readonly stack: TestVault
  readonly scheduler = new ToldScheduler()
  readonly alarms: Alarm[] = []
  /** What would be on the audit trail. */
  readonly trail: AuditEntry[] = []
  /** The database is away. */
  trailFails = false
  readonly lines: string[] = []
  readonly identity: Identity
  readonly gate: Gate

  private constructor(stack: TestVault, settings: Partial<GateSettings>, uses: Uses, others: readonly Scheduler[]) {
    this.stack = stack
    const log = pino({ level: 'debug' }, { write: line => this.lines.push(line) })
    this.identity = new Identity(stack.vault, { kind: 'token', token: stack.root }, log)
    this.gate = new Gate({
      vault: stack.vault,
      identity: this.identity,
      schedulers: new Map([this.scheduler, ...others].map(scheduler => [scheduler.name, scheduler])),
      uses,
      alarms: new Alarms(log, null, async alarm => void this.alarms.push(alarm)),
      record: async entry => {
        if (this.trailFails) throw new Error('the database is away')
        this.trail.push(entry)
      },
      settings: { ...GATE_SETTINGS, ...settings },
      log,
    })
  }

  /** Unsealed with the root token and these policies, unless told otherwise. */
  static async start(
    options: {
      policies?: object
      settings?: Partial<GateSettings>
      uses?: Uses
      sealed?: boolean
      /** Besides the one that says what the test wants. */
      schedulers?: readonly Scheduler[]
    } = {},
  ): Promise<GateBench> {
    const stack = await startTestVault()
    await stack.write('sys/auth/approle', { type: 'approle' })
    const policies = options.policies ?? { '*': { policies: ['default'], ttl: 60 } }
    await stack.write('secret/data/gatekeeper', { data: policies })
    const bench = new GateBench(
      stack,
      options.settings ?? {},
      options.uses ?? new MemoryUses(),
      options.schedulers ?? [],
    )
    if (!options.sealed) await bench.identity.start()
    return bench
  }

  async close(): Promise<void> {
    await this.identity.close()
    await this.stack.close()
  }

  ask(taskId: string, more: { role?: string; scheduler?: string; signal?: AbortSignal } = {}): Promise<Issued> {
    const { role = '', scheduler = '', signal = null } = more
    return this.gate.issue({ taskId, role, scheduler }, CALLER, new Deadline(20_000, signal))
  }

  /** The code of the refusal, or `token`. */
  async outcome(taskId: string, more: Parameters<GateBench['ask']>[1] = {}): Promise<string> {
    return await this.ask(taskId, more).then(
      () => 'token',
      error => (error instanceof WritError ? error.code : String(error)),
    )
  }

  /** What the token that was answered is, for who opens it. */
  async open({ token }: Issued): Promise<{ token: Secret; policies: readonly string[]; ttl: number }> {
    const { auth } = await unwrap(this.stack.vault, token)
    const found = auth?.token ?? expect.fail('no token inside')
    const { policies, ttl } = await lookupSelf(this.stack.vault, found)
    return { token: found, policies, ttl }
  }
}
