import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { line, quantile, timed } from './figures.ts'
import { startBenchServer } from './server.ts'

/**
 * What a sealed job costs over the bare container: `true` in a warm image, from the submission to its final state, alternating with
 * the raw engine API. The physical limit is the engine's own time; all above it is ours.
 */
export async function bench([rounds = '60', network = 'none']: string[]): Promise<void> {
  const image = await ensureBusyboxImage()
  const server = await startBenchServer({ WRIT_JOB_NETWORK: network })
  const job = () => server.job({ container_image: image, run: ['true'] })
  try {
    await new Promise(resolve => setTimeout(resolve, 1_000))
    const idle = server.megabytes()
    for (let i = 0; i < 5; i += 1) {
      await job()
      await server.raw.remove(await server.raw.run(image, ['true'], network))
    }
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
      ours.push(await timed(job))
    }
    const differences = ours.map((ms, i) => ms - (theirs[i] ?? 0))
    const text = [
      `${rounds} rounds, network ${network}, warm image, one at a time`,
      line('raw engine API', theirs),
      line('sealed job, from sealing to its end', ours),
      line('difference of the pairs', differences),
      `ratio of the medians  ${(quantile(ours, 0.5) / quantile(theirs, 0.5)).toFixed(2)}`,
      `server RSS: idle ${idle} MB, after ${ours.length + 5} jobs ${server.megabytes()} MB`,
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await server.close()
  }
}
