import { expect, test } from 'vitest'
import { runChaos } from '../chaos/run.ts'

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
