import { request } from 'node:http'

/** The engine's own account of which containers were started, from now on: it keeps only the last few events itself. */
export class Starts {
  readonly #times = new Map<string, number>()
  readonly #call: ReturnType<typeof request>
  readonly order: string[] = []

  constructor(socketPath: string) {
    const filters = JSON.stringify({ type: ['container'], event: ['start'], label: ['writ.job'] })
    this.#call = request({ socketPath, path: `/events?filters=${encodeURIComponent(filters)}` }, response => {
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
    this.#call.end()
  }

  #note(line: string): void {
    if (line.trim() === '') return
    const { Actor } = JSON.parse(line) as { Actor: { Attributes: Record<string, string> } }
    const job = Actor.Attributes['writ.job'] ?? ''
    this.#times.set(job, this.of(job) + 1)
    this.order.push(job)
  }

  of(job: string): number {
    return this.#times.get(job) ?? 0
  }

  close(): void {
    this.#call.destroy()
  }
}
