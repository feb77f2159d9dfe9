import { setTimeout as sleep } from 'node:timers/promises'
import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { line, quantile, timed } from './figures.ts'
import { startBenchServer, warmUp } from './server.ts'

/** What ends a job goes on behind its end: removing, revoking, recording that. It must not slow down the baseline. */
const PAUSE_MS = 200

/**
 * What a sealed job costs over the bare container: `true` in a warm image, from the submission to its final state, alternating with
 * the raw engine API. The physical limit is the engine's own time; all above it is ours, the client's sealing and both ends of the
 * embedded Vault included.
 */
export async function bench([rounds = '60', network = 'none']: string[]): Promise<void> {
  const image = await ensureBusyboxImage()
  const server = await startBenchServer({ WRIT_JOB_NETWORK: network })
  const job = (queue?: number) => server.job({ container_image: image, run: ['true'], qname: `q${queue ?? ''}` })
  try {
    await sleep(1_000)
    const idle = server.megabytes()
    await warmUp(job)
    await warmUp(async () => await server.raw.remove(await server.raw.run(image, ['true'], network)))
    const ours: number[] = []
    const theirs: number[] = []
    for (let i = 0; i < Number(rounds); i += 1) {
      let name = ''
      theirs.push(
        await timed(async () => {
          name = await server.raw.run(image, ['true'], network)
        }),
      )
      await server.raw.remove(name)
      await sleep(PAUSE_MS)
      ours.push(await timed(job))
      await sleep(PAUSE_MS)
    }
    const differences = ours.map((ms, i) => ms - (theirs[i] ?? 0))
    const text = [
      `${rounds} rounds, network ${network}, warm image, one at a time`,
      line('raw engine API', theirs),
      line('sealed job, from sealing to its end', ours),
      line('difference of the pairs', differences),
      `ratio of the medians  ${(quantile(ours, 0.5) / quantile(theirs, 0.5)).toFixed(2)}`,
      `server RSS: idle ${idle} MB, after these jobs ${server.megabytes()} MB`,
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await server.close()
  }
}
