import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Random } from './random.ts'
import type { Node, World } from './world.ts'

interface Fault {
  readonly name: string
  /** Hurts, waits and heals: when it resolves, what it hurt is whole again. */
  readonly strike: (world: World, random: Random, node: Node) => Promise<void>
}

const FAULTS: readonly Fault[] = [
  {
    name: 'kill -9 of a node',
    strike: async (world, random, node) => {
      await world.endNode(node, 'SIGKILL')
      await sleep(random.between(0, 3_000))
      await world.startNode(node)
    },
  },
  {
    name: 'a node stands still, longer than its lease or not',
    strike: async (_world, random, node) => {
      node.server?.signal('SIGSTOP')
      await sleep(random.between(500, 5_000))
      node.server?.signal('SIGCONT')
    },
  },
  {
    name: 'a node is told to end, and another one started',
    strike: async (world, _random, node) => {
      await world.endNode(node, 'SIGTERM')
      await world.startNode(node)
    },
  },
  { name: 'the connections to the engine are cut', strike: async (_world, _random, node) => node.proxy.cut() },
  {
    name: 'the engine is not there',
    strike: async (_world, random, node) => {
      await node.proxy.close()
      await sleep(random.between(200, 3_000))
      await node.proxy.open()
    },
  },
  { name: 'PostgreSQL restarts', strike: async (world, random) => world.restartDatabase(random.between(0, 1_500)) },
  {
    name: 'Vault is sealed, and back',
    strike: async (world, random) => {
      world.dev.seal()
      await sleep(random.between(300, 4_000))
      world.dev.unseal()
    },
  },
]

/** For machines whose engine may be restarted: the command that does it. */
export function engineRestart(command: string): Fault {
  return {
    name: 'the engine restarts',
    strike: async () => void (await promisify(execFile)('/bin/sh', ['-c', command])),
  }
}

/** Strikes again and again, one fault at a time, until `until`; answers what was done, for the report. */
export async function strikeUntil(
  world: World,
  random: Random,
  until: number,
  extra: readonly Fault[],
  report: (text: string) => void,
): Promise<void> {
  while (performance.now() < until) {
    await sleep(random.between(300, 2_500))
    const fault = random.pick([...FAULTS, ...extra])
    const node = random.pick(world.nodes)
    report(`${fault.name} (${node.name})`)
    await fault.strike(world, random, node)
  }
}
