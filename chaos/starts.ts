import { request } from 'node:http'

const AGAIN_MS = 100

interface EngineEvent {
  readonly timeNano: number
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }
}

/** The engine's own account of which containers were started, from now on, over its restarts: it keeps only the last few events itself. */
export class Starts {
  readonly #socketPath: string
  readonly #times = new Map<string, number>()
  /** Containers that were started for whatever job would come. */
  readonly #inAdvance = new Set<string>()
  /** An engine that is asked what happened since a moment may tell of that moment again. */
  readonly #noted = new Set<string>()
  #since = Date.now() / 1000
  #call: ReturnType<typeof request> | undefined
  #closed = false
  readonly order: string[] = []

  constructor(socketPath: string) {
    this.#socketPath = socketPath
    this.#listen()
  }

  #listen(): void {
    if (this.#closed) return
    const filters = encodeURIComponent(
      JSON.stringify({ type: ['container'], event: ['start'], label: ['writ.owner=writ'] }),
    )
    const path = `/events?since=${this.#since.toFixed(9)}&filters=${filters}`
    this.#call = request({ socketPath: this.#socketPath, path }, response => {
      let rest = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) this.#note(line)
      })
      response.on('error', () => {})
    })
    this.#call.on('error', () => {})
    this.#call.once('close', () => setTimeout(() => this.#listen(), AGAIN_MS).unref())
    this.#call.end()
  }

  #note(line: string): void {
    if (line.trim() === '') return
    const { Actor, timeNano } = JSON.parse(line) as EngineEvent
    const name = `${timeNano} ${Actor.ID}`
    if (this.#noted.has(name)) return
    this.#noted.add(name)
    this.#since = Math.max(this.#since, timeNano / 1e9 - 1)
    const { 'writ.job': job, 'writ.warm': gate } = Actor.Attributes
    if (gate !== undefined) this.#inAdvance.add(Actor.ID)
    if (job === undefined) return
    this.#times.set(job, this.of(job) + 1)
    this.order.push(job)
  }

  /** How many containers were started for this job, and of those that it is on record to have been given how many in advance. */
  of(job: string, given: Iterable<string> = []): number {
    return (this.#times.get(job) ?? 0) + [...new Set(given)].filter(id => this.#inAdvance.has(id)).length
  }

  close(): void {
    this.#closed = true
    this.#call?.destroy()
  }
}
