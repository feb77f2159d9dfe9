import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { acceptsLogin, postgresVariables } from './password-postgres.ts'
import { type Result, resultTable, runScenario } from './runner.ts'
import { loadScenarios } from './scenario.ts'

const { WRIT_CONTRACT_ADDR: address, WRIT_CONTRACT_TOKEN: rootToken = '', PG_URL: postgresUrl } = process.env

/**
 * The recorded scenarios on another server, freshly started: what fails is where it differs from Vault 1.8. Keys that a scenario does not
 * name are ignored, and waiting takes as long as it does.
 */
describe('each recorded scenario on the server at WRIT_CONTRACT_ADDR', () => {
  if (address === undefined) {
    it.skip('which names none')
    return
  }
  const results: Result[] = []
  afterAll(() => {
    if (results.length > 0) console.log(resultTable(results))
  })

  it.for(loadScenarios().map(scenario => [scenario.scenario, scenario] as const))(
    '%s',
    { timeout: 120_000 },
    async ([, scenario], { skip }) => {
      const needsPostgres = scenario.requires?.includes('postgres')
      if (needsPostgres && postgresUrl === undefined) skip('needs PG_URL')
      const result = await runScenario(scenario, {
        address,
        rootToken,
        lenient: true,
        sleep: async milliseconds => void (await sleep(milliseconds)),
        ...(postgresUrl !== undefined && {
          variables: postgresVariables(postgresUrl),
          pgLogin: (username: string, password: string) => acceptsLogin(postgresUrl, username, password),
        }),
      })
      results.push(result)
      expect(result.failures).toEqual([])
    },
  )
})
