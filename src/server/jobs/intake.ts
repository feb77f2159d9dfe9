import type { Taker } from '../store/accept.ts'
import type { Job } from '../store/jobs.ts'
import type { Opened } from './prepare.ts'

/** Where a node takes in jobs that it may run at once, without the way through the queue. */
export interface Intake {
  /** It would do that at this moment. */
  readonly hasPlace: boolean
  /** Calls `store` once, with whoever would run the job or null, and runs what it answers. Throws what it throws. */
  takeIn(store: (taker: Taker | null) => Promise<Job | null>, opened: Opened): Promise<void>
}
