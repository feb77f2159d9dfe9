import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEmbeddedPostgres } from '../../server/store/embedded/postgres.ts'
import { Clock } from '../clock.ts'
import { type DevVault, startDevVault } from '../server.ts'
import { acceptsLogin, askForPasswords, postgresVariables } from './password-postgres.ts'
import { type Result, resultTable, runScenario, type Setting } from './runner.ts'
import { loadScenarios, type Scenario } from './scenario.ts'
import { VirtualTime } from './virtual-time.ts'

/** Scenarios that do not pass in full yet. A test fails when one of them does, so this list only gets shorter. */
const NOT_YET: readonly string[] = []

const scenarios = loadScenarios()
const needsPostgres = (scenario: Scenario) => scenario.requires?.includes('postgres') ?? false

// Who brings a database of their own has no embedded one, and that database need not ask for passwords.
const withoutPostgres = process.env.PG_URL === undefined && process.env.WRIT_TEST_DATABASE_URL !== undefined
let postgresUrl = process.env.PG_URL ?? ''
const endPostgres: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  if (withoutPostgres || postgresUrl !== '') return
  // One folder for each checkout: a run that was killed leaves nothing that the next one does not take over.
  const checkout = createHash('sha256')
    .update(import.meta.dirname)
    .digest('hex')
    .slice(0, 8)
  const directory = join(tmpdir(), `dev-vault-pg-${process.getuid?.()}-${checkout}`)
  const embedded = await startEmbeddedPostgres({ directory, share: true })
  endPostgres.push(() => embedded.stop())
  const { url, close } = await askForPasswords(embedded.url, join(directory, 'data'))
  endPostgres.push(close)
  postgresUrl = url
}, 120_000)

afterAll(async () => {
  for (const end of endPostgres.toReversed()) await end()
})

/** A server whose clock stands still, so that nothing expires because the machine is slow. */
async function withVault<T>(work: (vault: DevVault) => Promise<T>): Promise<T> {
  const start = Date.now()
  const vault = await startDevVault({ clock: new Clock(() => start) })
  try {
    return await work(vault)
  } finally {
    await vault.close()
  }
}

function settingOf(vault: DevVault, sleep: Setting['sleep']): Setting {
  const { address, rootToken } = vault
  if (withoutPostgres) return { address, rootToken, sleep }
  return {
    address,
    rootToken,
    sleep,
    variables: postgresVariables(postgresUrl),
    pgLogin: (username, password) => acceptsLogin(postgresUrl, username, password),
  }
}

describe('each recorded scenario on a fresh server', () => {
  const results: Result[] = []
  afterAll(() => {
    console.log(resultTable(results))
  })

  it.for(scenarios.map(scenario => [scenario.scenario, scenario] as const))(
    '%s',
    async ([name, scenario], { skip }) => {
      if (withoutPostgres && needsPostgres(scenario)) skip('needs PG_URL')
      const result = await withVault(vault => {
        const sleep = async (milliseconds: number) => {
          vault.clock.advance(milliseconds)
          await vault.sweep()
        }
        return runScenario(scenario, settingOf(vault, sleep))
      })
      results.push(result)
      if (NOT_YET.includes(name)) expect(result.failures, 'passes by now: take it off the list').not.toEqual([])
      else expect(result.failures).toEqual([])
      expect(result.counted).toBe(scenario.steps.filter(step => !('sleep_ms' in step)).length)
    },
  )
})

describe('all recorded scenarios on one server', () => {
  const passing = scenarios.filter(
    scenario => !NOT_YET.includes(scenario.scenario) && !(withoutPostgres && needsPostgres(scenario)),
  )

  it('pass one after another in any order', { timeout: 120_000 }, async () => {
    const shuffled = passing.map(scenario => ({ scenario, at: Math.random() })).sort((a, b) => a.at - b.at)
    const failures = await withVault(async vault => {
      const found: string[] = []
      for (const { scenario } of shuffled) {
        const setting = settingOf(vault, milliseconds => vault.clock.advance(milliseconds))
        found.push(...(await runScenario(scenario, setting)).failures)
      }
      return found
    })
    expect(failures, shuffled.map(({ scenario }) => scenario.scenario).join(' ')).toEqual([])
  })

  it('pass all at once', { timeout: 120_000 }, async () => {
    const failures = await withVault(async vault => {
      const time = new VirtualTime(vault.clock)
      const setting = settingOf(vault, milliseconds => time.sleep(milliseconds))
      const results = await Promise.all(passing.map(scenario => time.during(() => runScenario(scenario, setting))))
      return results.flatMap(result => result.failures)
    })
    expect(failures).toEqual([])
  })
})

it('has all 47 scenarios, three of them about PostgreSQL', () => {
  expect(scenarios).toHaveLength(47)
  expect(scenarios.filter(needsPostgres)).toHaveLength(3)
})
