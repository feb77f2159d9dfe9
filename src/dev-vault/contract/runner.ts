import { type Dispatcher, Pool } from 'undici'
import { lenient } from './lenient.ts'
import { ABSENT, match, matchBody } from './matcher.ts'
import type { RequestStep, Scenario, Step } from './scenario.ts'
import { fill, MissingVariable, pointer } from './variables.ts'

/** What a run needs from outside. */
export interface Setting {
  readonly address: string
  readonly rootToken: string
  /** Waits, or moves the clock. */
  readonly sleep: (milliseconds: number) => Promise<void> | void
  /** Ignores keys that a scenario does not name. */
  readonly lenient?: boolean
  /** More variables: the parts of PG_URL. */
  readonly variables?: Readonly<Record<string, unknown>>
  /** Asks PostgreSQL whether it accepts a login; without it such steps are skipped. */
  readonly pgLogin?: (username: string, password: string) => Promise<boolean>
}

export interface Result {
  readonly scenario: string
  readonly passed: number
  readonly counted: number
  /** A line for each step that failed. */
  readonly failures: readonly string[]
}

/** Replays a scenario from top to bottom; goes on after a failure, as the contract asks. */
export async function runScenario(scenario: Scenario, setting: Setting): Promise<Result> {
  const pool = new Pool(setting.address, { connections: 1 })
  const variables = new Map<string, unknown>([['root', setting.rootToken], ...Object.entries(setting.variables ?? {})])
  const failures: string[] = []
  let counted = 0
  try {
    for (const step of scenario.steps) {
      if ('sleep_ms' in step) {
        await setting.sleep(step.sleep_ms)
        continue
      }
      if ('pg_login' in step && !setting.pgLogin) continue
      counted++
      const wrong = await runStep(step, setting, pool, variables)
      if (wrong.length > 0) failures.push(`${scenario.scenario} #${counted} ${step.name}: ${wrong.join('; ')}`)
    }
  } finally {
    await pool.close()
  }
  return { scenario: scenario.scenario, passed: counted - failures.length, counted, failures }
}

async function runStep(step: Step, setting: Setting, pool: Pool, variables: Map<string, unknown>): Promise<string[]> {
  try {
    if ('pg_login' in step && setting.pgLogin) {
      const { username, password } = fill(step.pg_login, variables)
      const accepted = await setting.pgLogin(username, password)
      return accepted === step.accepted ? [] : [`login was ${accepted ? 'accepted' : 'refused'}`]
    }
    return await runRequest(step as RequestStep, setting, pool, variables)
  } catch (error) {
    if (error instanceof MissingVariable) return [`needs \${${error.message}}, which was not saved`]
    throw error
  }
}

async function runRequest(
  step: RequestStep,
  setting: Setting,
  pool: Pool,
  variables: Map<string, unknown>,
): Promise<string[]> {
  const { status, headers, body } = await send(step, pool, variables)
  for (const [name, path] of Object.entries(step.save ?? {})) {
    const value = pointer(body, path)
    if (value !== undefined) variables.set(name, value)
  }
  const wanted = setting.lenient ? lenient(step.expect) : step.expect
  const statuses = [step.status].flat() as number[]
  const wrong = statuses.includes(status) ? [] : [`status ${status} is not ${statuses.join(' or ')}`]
  const expected = [
    ...(wanted === undefined ? [] : matchBody(body, fill(wanted, variables))),
    ...(step.expect_headers === undefined ? [] : matchHeaders(headers, fill(step.expect_headers, variables))),
  ]
  return [...wrong, ...expected.map(({ at, reason }) => `${at} ${reason}`)]
}

async function send(step: RequestStep, pool: Pool, variables: Map<string, unknown>) {
  const raw = step.body_raw === undefined ? undefined : fill(step.body_raw, variables)
  const json = step.body === undefined ? undefined : JSON.stringify(fill(step.body, variables))
  const response = await pool.request({
    // undici sends any token as a verb; its type knows only the usual ones.
    method: step.method as Dispatcher.HttpMethod,
    path: fill(step.path, variables),
    headers: {
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(step.token === undefined ? {} : { 'x-vault-token': fill(step.token, variables) }),
      ...(step.wrap_ttl === undefined ? {} : { 'x-vault-wrap-ttl': step.wrap_ttl }),
      ...fill(step.headers ?? {}, variables),
    },
    body: raw ?? json ?? null,
  })
  const text = await response.body.text()
  return { status: response.statusCode, headers: response.headers, body: text === '' ? ABSENT : parse(text) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function matchHeaders(headers: Readonly<Record<string, unknown>>, expected: unknown) {
  return Object.entries(expected as Record<string, unknown>).flatMap(([name, wanted]) =>
    match(headers[name.toLowerCase()] ?? ABSENT, wanted, name),
  )
}

/** `scenario  passed/all`, a line each. */
export function resultTable(results: readonly Result[]): string {
  const width = Math.max(...results.map(result => result.scenario.length))
  return results.map(({ scenario, passed, counted }) => `${scenario.padEnd(width)}  ${passed}/${counted}`).join('\n')
}
