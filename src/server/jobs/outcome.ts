import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import type { Exit } from '../runtimes/runtime.ts'
import type { Outcome } from '../store/runs.ts'
import type { StopCode } from '../store/schema.ts'

const STATUS: { readonly [K in ErrorCode]?: Outcome['status'] } = {
  container_lost: 'unknown',
  exit_code_lost: 'unknown',
  engine_lost: 'unknown',
  authority_refused: 'notauthorised',
}

/** How a job ends that an error of ours ended. What cannot be known is `unknown`, and a refused authority `notauthorised`. */
export function failure(error: WritError, returnCode = 0): Outcome {
  return { status: STATUS[error.code] ?? 'failed', returnCode, errorCode: error.code, errorText: error.message }
}

/** How a job ends whose container has ended; `stopped`: why we stopped it, if we did. */
export function outcomeOf(exit: Exit, stoppedByUs: StopCode): Outcome {
  const stopped = stoppedByUs || (exit.late ? 'job_timeout' : '')
  const error = endedBy(exit, stopped)
  if (error?.code === 'exit_code_lost') return failure(error, exit.code)
  return {
    status: exit.code === 0 && !stopped ? 'success' : 'failed',
    returnCode: exit.code,
    errorCode: error?.code ?? '',
    errorText: error?.message ?? '',
  }
}

function endedBy(exit: Exit, stopped: StopCode): WritError | null {
  if (stopped) return new WritError(stopped)
  if (exit.uncertain) return new WritError('exit_code_lost')
  // the flag is also set when the kernel ended a child of the job and the job itself went on to a good end
  return exit.outOfMemory && exit.code !== 0 ? new WritError('out_of_memory') : null
}
