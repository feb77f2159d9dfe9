import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { type BenchServer, startBenchServer } from './server.ts'

const MEGABYTE = 2 ** 20

/**
 * One job that writes much, followed to its end: from its start to the last byte at the client. The baseline is the same container
 * by the bare engine API, whose log is followed. What is added in between: masking, storing, the way through PostgreSQL to the client.
 */
export async function bench([megabytes = '1024', lineBytes = '200', rounds = '1']: string[]): Promise<void> {
  const image = await ensureBusyboxImage()
  const bytes = Number(megabytes) * MEGABYTE
  // numbered: a lost, doubled or exchanged line would change the sum of bytes or be seen at the end
  const lines = Math.floor(bytes / Number(lineBytes))
  const pad = 'x'.repeat(Number(lineBytes) - 11)
  const command = ['awk', `BEGIN { for (i = 1; i <= ${lines}; i++) printf "%09d ${pad}\\n", i }`]
  const wanted = lines * Number(lineBytes)
  const { client, raw, megabytes: resident, cpuMs, close } = await startBenchServer({ WRIT_JOB_NETWORK: 'none' })
  try {
    await followed(client, { container_image: image, run: ['echo', 'warm'] }, 5)
    const idle = resident()
    let peak = idle
    const watch = setInterval(() => {
      peak = Math.max(peak, resident())
    }, 100)
    for (let round = 0; round < Number(rounds); round += 1) {
      const theirs = await raw.follow(image, command, wanted)
      const before = cpuMs()
      const ours = await followed(client, { container_image: image, run: command }, wanted)
      const cpu = (cpuMs() - before) / (wanted / MEGABYTE)
      const speed = (ms: number) => `${(wanted / MEGABYTE / (ms / 1000)).toFixed(1).padStart(7)} MB/s`
      process.stdout.write(
        `${megabytes} MB in lines of ${lineBytes} bytes: raw log ${speed(theirs)}, followed job ${speed(ours)}, ratio ${(theirs / ours).toFixed(2)}, server ${cpu.toFixed(2)} ms of processor time per MB\n`,
      )
    }
    clearInterval(watch)
    process.stdout.write(`server RSS: idle ${idle} MB, at most ${peak} MB, growth ${peak - idle} MB\n`)
  } finally {
    await close()
  }
}

/** ms from the submission to the last byte. */
async function followed(client: BenchServer['client'], spec: object, wanted: number): Promise<number> {
  const start = performance.now()
  const { _id } = await client.submit(spec)
  let seen = 0
  let missed = 0
  for await (const event of client.follow(_id)) {
    if (event.kind === 'output' && event.stream === 'stdout') seen += event.data.byteLength
    if (event.kind === 'cut') missed += event.bytes
    if (event.kind === 'end' && event.status !== 'success') throw new Error(event.status)
  }
  if (seen !== wanted)
    throw new Error(`${seen} bytes instead of ${wanted}, ${missed} of them because we could not keep up`)
  return performance.now() - start
}
