import { WritError } from '../../protocol/errors.ts'
import type { Exit } from '../runtimes/runtime.ts'
import type { Outcome } from '../store/runs.ts'

/** How a job ends that an error of ours ended. What cannot be known is `unknown`, and a refused authority `notauthorised`. */
export function failure(error: WritError, returnCode = 0): Outcome {
  const status =
    error.code === 'container_lost' ? 'unknown' : error.code === 'authority_refused' ? 'notauthorised' : 'failed'
  return { status, returnCode, errorCode: error.code, errorText: error.message }
}

/** How a job ends whose container has ended. */
export function outcomeOf(exit: Exit, killed: boolean): Outcome {
  const error = endedBy(exit, killed)
  return {
    status: exit.code === 0 && !killed ? 'success' : 'failed',
    returnCode: exit.code,
    errorCode: error?.code ?? '',
    errorText: error?.message ?? '',
  }
}

function endedBy(exit: Exit, killed: boolean): WritError | null {
  if (killed) return new WritError('job_killed')
  // the flag is also set when the kernel ended a child of the job and the job itself went on to a good end
  return exit.outOfMemory && exit.code !== 0 ? new WritError('out_of_memory') : null
}
