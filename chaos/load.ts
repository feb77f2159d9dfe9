import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** What a job that was accepted is to do. */
export interface Expected {
  readonly id: string
  readonly qname: string
  readonly lines: number
  readonly code: number
  readonly killed: boolean
}

/** Jobs that print numbered lines, into a few queues, at whatever node answers. One whose answer never came is not in the list. */
export async function submitUntil(world: World, random: Random, until: number): Promise<Expected[]> {
  const accepted: Expected[] = []
  while (performance.now() < until) {
    await sleep(random.between(50, 700))
    const node = random.pick(world.nodes)
    const [lines, code] = [random.between(0, 60), random.chance(0.2) ? random.between(1, 99) : 0]
    const pause = random.pick(['0', '0.01', '0.05'])
    const qname = `chaos-${random.between(1, 5)}`
    const dynamic = random.chance(0.25) ? ['USER@database/creds/chaos.username'] : []
    const killed = random.chance(0.05)
    const script = `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "line $i"; sleep ${pause}; done; exit ${code}`
    const secret_refs = ['NAME@secret/data/hello.name', ...dynamic]
    const spec = { container_image: world.image, run: ['sh', '-c', script], qname, secret_refs }
    try {
      const { client } = node
      if (!client || !node.server) continue
      const { _id: id } = await client.submit(spec, { signal: AbortSignal.timeout(8_000) })
      accepted.push({ id, qname, lines, code, killed })
      if (killed) await client.kill(id, AbortSignal.timeout(3_000))
    } catch {
      // refused, or nobody knows: what was accepted all the same is checked by what the database says of it
    }
  }
  return accepted
}
