import { setTimeout as sleep } from 'node:timers/promises'
import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { line, quantile, timed } from './figures.ts'
import { startBenchServer, warmUp } from './server.ts'

/** Behind the end of each one, whoever's it is: what is cleared away behind it (removing, revoking, recording that) must not slow down the next one. */
const PAUSE_MS = 200

/**
 * What a sealed job costs over the bare container: `true` in a warm image, from the submission to its final state, between two by
 * the raw engine API, of which one or the other comes first. The physical limit is the engine's own time; all above it is ours, the client's sealing
 * and both ends of the embedded Vault included. How much two of the raw ones differ is the machine's: it is in what is said of ours too.
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
    const bare = async (): Promise<number> => {
      let name = ''
      const ms = await timed(async () => {
        name = await server.raw.run(image, ['true'], network)
      })
      await Promise.all([server.raw.remove(name), sleep(PAUSE_MS)])
      return ms
    }
    const ours: number[] = []
    const bares: [number[], number[]] = [[], []]
    for (let i = 0; i < Number(rounds); i += 1) {
      const [first, second] = i % 2 === 0 ? bares : [bares[1], bares[0]]
      first.push(await bare())
      ours.push(await timed(job))
      await sleep(PAUSE_MS)
      second.push(await bare())
    }
    const [theirs, others] = bares
    const pairs = (of: readonly number[]) => of.map((ms, i) => ms - (theirs[i] ?? 0))
    const apart = quantile(ours, 0.99) - quantile([...theirs, ...others], 0.99)
    const text = [
      `${rounds} rounds, network ${network}, warm image, one at a time`,
      line('raw engine API', theirs),
      line('raw engine API, once more', others),
      line('sealed job, from sealing to its end', ours),
      line('difference of the pairs', pairs(ours)),
      line('difference of raw and raw', pairs(others)),
      `p99 of ours above p99 of all raw ones  ${apart.toFixed(1)} ms`,
      `ratio of the medians  ${(quantile(ours, 0.5) / quantile(theirs, 0.5)).toFixed(2)}`,
      `server RSS: idle ${idle} MB, after these jobs ${server.megabytes()} MB`,
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await server.close()
  }
}
