import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'

/** At the end, for everything that is to be closed. */
const CLOSE_MS = 20_000

type Skipped = NonNullable<closeWithGrace.Options['skip']>

interface Running {
  close(): Promise<void>
}

/** What is done before it is closed because of a signal, and how long that may take. */
interface Before<T> {
  readonly ms: number
  wait(running: T): Promise<unknown>
}

/**
 * Starts something that runs until a signal ends the process, and listens to signals before that: the kernel throws away what process 1 of a
 * container has no handler for, and a start takes as long as Vault is away. Answers undefined when it was told to end before it ran. Throws what `start` throws.
 */
export async function runUntilTold<T extends Running>(
  log: Logger,
  start: (signal: AbortSignal) => Promise<T>,
  { skip, before }: { skip: Skipped; before?: Before<T> | undefined },
): Promise<T | undefined> {
  const told = new AbortController()
  const starting = start(told.signal)
  const grace = closeWithGrace({ delay: CLOSE_MS + (before?.ms ?? 0), logger: log, skip }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'an error that nobody expected')
    told.abort(new Error('told to end'))
    const running = await starting.catch(() => null)
    if (!running) return
    if (signal) await before?.wait(running)
    await running.close()
  })
  try {
    return await starting
  } catch (error) {
    // the process ends by itself then, with a code of its own; or by what is waiting for this end
    if (told.signal.aborted) return undefined
    grace.uninstall()
    throw error
  }
}
