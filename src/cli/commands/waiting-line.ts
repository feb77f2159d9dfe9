import type { Client } from '../../client/client.ts'
import type { JobEvent } from '../../protocol/output-event.ts'
import { StatusLine } from '../status-line.ts'

const ASK_MS = 1000

/** On a terminal: whether a job waits, gets its image or runs, and for how long, until its own output is there to see. */
export class WaitingLine {
  readonly #line = new StatusLine()
  readonly #stop = new AbortController()

  constructor(client: Client, id: string) {
    if (this.#line.live) void this.#ask(client, id)
  }

  /** Before an event is shown. */
  hear(event: JobEvent): void {
    if (!this.#line.live || event.kind !== 'output') return
    // what the job writes to the same terminal says that it runs
    if (event.stream === 'system') return
    if (process[event.stream].isTTY) this.end()
    else this.#started()
  }

  end(): void {
    this.#stop.abort()
    this.#line.end()
  }

  #started(): void {
    this.#stop.abort()
    this.#line.say('running')
  }

  /** Until its image is there, and not longer: what is answered then has the whole output in it. */
  async #ask(client: Client, id: string): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      // a courtesy: that there was no answer matters to whoever follows the output
      const job = await client.get(id, signal).catch(() => null)
      if (signal.aborted) return
      if (job?.status === 'queued') this.#line.say(`waiting in ${job.qname ? `queue ${job.qname}` : 'the queue'}`)
      else if (job?.image_digest) return this.#started()
      else if (job) this.#line.say('getting the image ready')
      await new Promise(done => setTimeout(done, ASK_MS).unref())
    }
  }
}
