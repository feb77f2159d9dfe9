import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { MasterStart, MasterState } from './master.ts'

/** A Mesos master in a process of its own. */
export class FakeMesos {
  /** `127.0.0.1:port`; the same after a restart. */
  host = ''
  readonly #start: MasterStart
  #child: ChildProcess | undefined

  private constructor(start: MasterStart) {
    this.#start = start
  }

  static async start(state: Partial<MasterState> = {}, start: MasterStart = {}): Promise<FakeMesos> {
    const master = new FakeMesos(start)
    await master.up(state)
    return master
  }

  async up(state: Partial<MasterState> = {}): Promise<void> {
    const port = Number(this.host.split(':')[1] ?? 0)
    const child = fork(join(import.meta.dirname, 'master.ts'), [JSON.stringify({ ...this.#start, port })])
    this.#child = child
    const [ready] = (await once(child, 'message')) as [{ port: number }]
    this.host = `127.0.0.1:${ready.port}`
    await this.tell(state)
  }

  /** Changes what it is, and answers what it was asked for since the last time. */
  async tell(state: Partial<MasterState>): Promise<string[]> {
    this.#child?.send(state)
    const [{ asked }] = (await once(this.#child as ChildProcess, 'message')) as [{ asked: string[] }]
    return asked
  }

  /** Stops it in the middle of whatever it does: connections stay open and nothing answers. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}
