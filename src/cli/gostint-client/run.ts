import { FLAGS } from './flag-table.ts'
import { FlagError, HelpWanted, parseFlags, usage } from './flags.ts'
import { jobOf } from './job.ts'
import { ignoredFields, type JobStatus, readStatus } from './job-answer.ts'
import { type Environment, type Options, readFiles, readOptions } from './options.ts'
import { type Output, printEnd, printError, printLeft, say, type Trace, traceTo } from './print.ts'
import { Session } from './session.ts'
import { waitForEnd } from './wait.ts'

export interface Terminal {
  readonly env: Environment
  readonly out: Output
  readonly err: Output
  /** Aborted when somebody wants to leave. */
  readonly signal: AbortSignal
}

/** A server may be away that long while a job is waited for: a restart, an upgrade. */
const PATIENCE_MS = 5 * 60_000

/** The whole command; answers its exit code (gostint.md §16.6). */
export async function gostintClient(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const flags = await readFiles(parseFlags(FLAGS, args))
    const options = await readOptions(flags, terminal.env)
    const spec = await jobOf(flags)
    if (!options.server.verify) {
      terminal.err.write('warning: GOSTINT_SKIP_VERIFY=1: whoever answers at -url is taken for the server\n')
    }
    const trace = traceTo(terminal.out, options.debug)
    const session = await Session.open(options, trace, terminal.signal)
    try {
      const submitted = await submit(session, spec, terminal, trace)
      return await attend(session, submitted, options, terminal, trace)
    } finally {
      await session.close()
    }
  } catch (error) {
    if (error instanceof FlagError || error instanceof HelpWanted) {
      if (error instanceof FlagError) terminal.err.write(`${error.message}\n`)
      terminal.err.write(usage('gostint-client', FLAGS))
      return 2
    }
    if (terminal.signal.aborted) return 1
    return printError(error, terminal.err)
  }
}

async function submit(
  session: Session,
  spec: Awaited<ReturnType<typeof jobOf>>,
  { err, signal }: Terminal,
  trace: Trace,
): Promise<JobStatus> {
  trace(`sealing a job of ${Object.keys(spec).sort().join(', ') || 'no fields'}`)
  const answer = await session.submit(spec, signal)
  const ignored = ignoredFields(answer)
  if (ignored.length > 0) say(err, `the courier added ${ignored.join(', ')}: ignored by the server`)
  const job = readStatus(answer)
  trace(describe(job))
  return job
}

/** Waits for the end of the job, or has one look at it. */
async function attend(
  session: Session,
  submitted: JobStatus,
  options: Options,
  { out, err, signal }: Terminal,
  trace: Trace,
): Promise<number> {
  const read = async () => {
    const job = readStatus(await session.job(submitted.id, signal))
    trace(describe(job))
    return job
  }
  if (!options.wait) {
    // the job is in the queue whether this look succeeds or not
    const job = await read().catch(() => submitted)
    return printLeft(job, out)
  }
  const onSilence = (error: Error) => say(err, `${error.message}; trying again`)
  try {
    const job = await waitForEnd(read, { pollMs: options.pollMs, patienceMs: PATIENCE_MS, signal, onSilence })
    return printEnd(job, out)
  } catch (error) {
    say(err, `job ${submitted.id} was submitted and goes on by itself`)
    throw error
  }
}

/** Without the output, which on a server that does not mask may hold secrets. */
function describe({ id, status, returnCode, output }: JobStatus): string {
  return `job ${id}: ${status}, return code ${returnCode}, ${Buffer.byteLength(output)} bytes of output`
}
