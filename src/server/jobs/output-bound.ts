import type { Attachment, OutputFrame, SystemLine } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'

/** Bytes that earlier attempts read. On Kubernetes positions are times and no bytes, so what is stored counts. */
export function writtenBefore(
  job: Pick<Job, 'kubernetes_namespace' | 'stdout_raw' | 'stderr_raw' | 'output_bytes'>,
): number {
  return job.kubernetes_namespace === null ? job.stdout_raw + job.stderr_raw : job.output_bytes
}

/**
 * All of the output; waits for `full` once, when there was more than `most` bytes with what was `before`, or takes more than that on the engine's disk, where
 * lines of a letter are forty times as large. More than it may have is before a job whose node died behind the limit, before it could say so: that is
 * told with the next piece.
 */
export async function* upTo(
  most: number,
  before: number,
  { output, recorded }: Pick<Attachment, 'output' | 'recorded'>,
  full: () => Promise<void>,
): AsyncGenerator<OutputFrame | SystemLine> {
  let written = before
  let told = false
  for await (const frame of output) {
    yield frame
    if (frame.stream === 'system' || told) continue
    written += frame.data.byteLength
    if (Math.max(written, recorded?.() ?? 0) <= most) continue
    told = true
    await full()
  }
}
