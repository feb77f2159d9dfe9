/**
 * Milliseconds that this thread computed, whatever else the machine does: for bounds that tell a line from a square, which a busy
 * machine must not break.
 */
export function cpuTime(work: () => unknown): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}
