import { type ErrorEntry, INTERNAL, INVALID_JOB } from './error-entry.ts'

/** How a job ends that did not end by itself, or of which nobody knows how. Part of the registry in `errors.ts`. */
export const RUN_ERRORS = {
  container_lost: {
    ...INTERNAL,
    cause: 'The container of this job is gone, so how it ended cannot be known',
    remedy: 'Look at the container engine; writ does not run the job again by itself.',
  },
  exit_code_lost: {
    ...INTERNAL,
    cause:
      'The container of this job ended while its engine was being restarted, which says 255 then, so how it ended cannot be known',
    remedy: 'Look at what the job was to do; writ does not run it again by itself.',
  },
  engine_lost: {
    ...INTERNAL,
    cause:
      'The container engine on which this job was started has been away for too long, so how it ended cannot be known',
    remedy:
      'Look at that engine; when it is back the container is removed. How long it is waited for is WRIT_ENGINE_PATIENCE.',
  },
  start_interrupted: {
    ...INTERNAL,
    cause:
      'The server went away while the container started, and the container ended as one whose secrets did not arrive does; whether its command ran cannot be told',
    remedy: 'Read the output of the job. If it says that the job was not run, submit it again.',
  },
  order_unreadable: {
    ...INTERNAL,
    cause:
      'What was kept of this job cannot be decrypted: the transit key of the server is not the one it was kept with',
    remedy: 'Submit the job again; keep the key of WRIT_SERVER_KEY as long as jobs wait.',
  },
  limits_not_held: {
    ...INTERNAL,
    cause:
      'The container engine makes containers without the limits of memory, processes or processors that a job has, so the job was not run',
    remedy:
      'Give writ an engine that holds them: one that runs as root, or one whose user has the controllers memory, pids and cpu of cgroups of version 2.',
  },
  out_of_memory: {
    ...INVALID_JOB,
    cause: 'The job used more memory than it may, and was ended by the kernel',
    remedy: 'Make it use less, or give jobs more with WRIT_JOB_MEMORY.',
  },
  job_timeout: {
    ...INVALID_JOB,
    cause: 'The job ran longer than it may, and was stopped',
    remedy: 'Make it quicker, or give it more with `timeout`.',
  },
  job_output_limit: {
    ...INVALID_JOB,
    cause: 'The job wrote more output than it may, and was stopped',
    remedy: 'Make it say less, or write to a file; an administrator lets jobs write more with WRIT_MAX_OUTPUT.',
  },
  queue_timeout: {
    ...INVALID_JOB,
    cause: 'The job waited longer than it may, and was not started',
    remedy: 'Look at what its queue waits for, or give it more with `queue_timeout`.',
  },
  job_killed: { ...INVALID_JOB, cause: 'job killed', remedy: 'Somebody asked for it; the audit trail says who.' },
} as const satisfies Record<string, ErrorEntry>
