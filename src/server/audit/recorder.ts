import type { Database } from '../store/database.ts'
import { type HeldLease, leasesOf } from '../store/leases.ts'
import { together } from '../store/together.ts'
import { type Ended, type Ending, endRuns, type Releasing, releaseRuns, type Starting, startRuns } from './runs.ts'

/** Records what happens to the runs of one node, those of one moment in one transaction (ADR 10), and reads in the same way. */
export interface Recorder {
  /** As `startRuns`, for one. */
  start(run: Starting): Promise<boolean>
  /** As `endRuns`, for one. */
  end(run: Ending): Promise<Ended | undefined>
  /** As `releaseRuns`, for one. */
  release(run: Releasing): Promise<boolean>
  /** What the job still holds. */
  leases(jobId: string): Promise<HeldLease[]>
}

export function makeRecorder(db: Database): Recorder {
  return {
    start: together((runs: readonly Starting[]) => startRuns(db, runs)),
    end: together((runs: readonly Ending[]) => endRuns(db, runs)),
    release: together((runs: readonly Releasing[]) => releaseRuns(db, runs)),
    leases: together((jobIds: readonly string[]) => leasesOf(db, jobIds)),
  }
}
