import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { line, quantile, timed } from './figures.ts'
import { startBenchServer } from './server.ts'

const NETWORK = 'bridge'
const WIDTH = 8
const run = promisify(execFile)

/**
 * Sealed jobs on network slots against what one would do by hand: one at a time against `docker run --rm`, and eight at a time
 * against the raw engine API with a network for each container. Alternating.
 */
export async function bench([rounds = '30', batches = '4']: string[]): Promise<void> {
  const image = await ensureBusyboxImage()
  const server = await startBenchServer({
    WRIT_JOB_NETWORK: NETWORK,
    WRIT_NETWORK_SLOTS: String(WIDTH),
    WRIT_CONCURRENCY: String(WIDTH),
  })
  const job = (queue: number) => server.job({ container_image: image, run: ['true'], qname: `q${queue}` })
  const plain = () => run('docker', ['run', '--rm', image, 'true'])
  const raw = async () => await server.raw.remove(await server.raw.run(image, ['true'], NETWORK))
  const crowd = (one: (worker: number) => Promise<unknown>, each = 4) =>
    Promise.all(
      Array.from({ length: WIDTH }, async (_, worker) => {
        for (let i = 0; i < each; i += 1) await one(worker)
      }),
    )
  try {
    // until the slots are there
    await crowd(job, 5)
    await new Promise(resolve => setTimeout(resolve, 3_000))
    await plain()
    const [ours, theirs]: [number[], number[]] = [[], []]
    for (let i = 0; i < Number(rounds); i += 1) {
      theirs.push(await timed(plain))
      ours.push(await timed(() => job(i)))
    }
    const [many, bare]: [number[], number[]] = [[], []]
    for (let i = 0; i < Number(batches); i += 1) {
      bare.push((WIDTH * 4_000) / (await timed(() => crowd(raw))))
      many.push((WIDTH * 4_000) / (await timed(() => crowd(job))))
    }
    const rate = quantile(many, 0.5) / quantile(bare, 0.5)
    const text = [
      `${rounds} rounds, network ${NETWORK}, one at a time`,
      line('docker run --rm', theirs),
      line('sealed job in a slot, from sealing to its end', ours),
      `ratio of the medians  ${(quantile(ours, 0.5) / quantile(theirs, 0.5)).toFixed(2)}`,
      `${batches} batches of ${WIDTH * 4}, ${WIDTH} at a time`,
      `raw engine API, a network each  ${quantile(bare, 0.5).toFixed(1)} jobs/s`,
      `sealed jobs in slots            ${quantile(many, 0.5).toFixed(1)} jobs/s   ratio ${rate.toFixed(2)}`,
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await server.close()
  }
}
