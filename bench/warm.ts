import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { line, timed } from './figures.ts'
import { startBenchServer, warmUp } from './server.ts'

/** Submitting a sealed job to its first byte of output: with a container that waits for it, and, in turns, with one that must be started. */
export async function bench([rounds = '40', network = 'none']: string[]): Promise<void> {
  const image = await ensureBusyboxImage()
  const server = await startBenchServer({ WRIT_JOB_NETWORK: network, WRIT_WARM: `${image}=2` })
  const spec = { container_image: image, run: ['echo', 'x'] }
  /** Another limit than the default: does not fit. */
  const cold = { ...spec, limits: { pids: 500 } }
  const firstByte = async (job: typeof spec): Promise<number> => {
    let at = 0
    const start = performance.now()
    await server.job(job, () => {
      at = performance.now() - start
    })
    return at
  }
  try {
    await new Promise(resolve => setTimeout(resolve, 3_000))
    await warmUp(queue => server.job({ ...cold, qname: `q${queue}` }))
    for (let i = 0; i < 3; i += 1) await firstByte(spec)
    const [waiting, started, submitted]: [number[], number[], number[]] = [[], [], []]
    for (let i = 0; i < Number(rounds); i += 1) {
      started.push(await firstByte(cold))
      // the next one is ready by now
      await new Promise(resolve => setTimeout(resolve, 700))
      waiting.push(await firstByte(spec))
      submitted.push(await timed(async () => void (await server.client.submit({ ...cold, qname: 'other' }))))
      await new Promise(resolve => setTimeout(resolve, 700))
    }
    const text = [
      `${rounds} rounds, network ${network}, sealing to the first byte of output`,
      line('a container that is started for it', started),
      line('a container that waits', waiting),
      line('of which sealing and submitting', submitted),
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await server.close()
  }
}
