import { expect, test } from 'vitest'
import { runChaos } from '../chaos/run.ts'
import { type Node, World } from '../chaos/world.ts'

// the embedded Vault is sealed and back; a real one would be everybody's
test.skipIf(process.env.WRIT_TEST_VAULT_ADDR)(
  'whatever is killed, stopped, cut, sealed and restarted: the promises hold',
  async () => {
    const seed = Number(process.env.WRIT_CHAOS_SEED ?? 7)
    const { found, jobs, logs } = await runChaos({ seed, seconds: 25, nodes: 3 })
    expect(found, logs.slice(-20_000)).toEqual([])
    expect(jobs).toBeGreaterThan(5)
  },
  300_000,
)

test('a node that ends by itself is found, one that was told to is not', async () => {
  const world = await World.open(3)
  try {
    const [killed, told, own] = world.nodes as [Node, Node, Node]
    await world.endNode(killed, 'SIGKILL')
    await world.endNode(told, 'SIGTERM')
    expect(world.deaths).toEqual([])
    process.kill(own.server?.pid ?? Number.NaN, 'SIGKILL')
    await expect.poll(() => world.deaths).toEqual(['node 3 ended with SIGKILL, told nothing'])
    await world.endNode(own, 'SIGTERM')
    expect(world.deaths).toHaveLength(1)
  } finally {
    await world.close()
  }
}, 60_000)
