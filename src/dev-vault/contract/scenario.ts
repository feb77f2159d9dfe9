import { readdirSync, readFileSync } from 'node:fs'

/** A recorded request and what the recorded server answered; `scenarios/` holds them, their README is in the contract. */
export interface RequestStep {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly token?: string
  readonly wrap_ttl?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly body_raw?: string
  readonly status: number | readonly number[]
  readonly expect?: unknown
  readonly expect_headers?: unknown
  readonly save?: Readonly<Record<string, string>>
}

interface SleepStep {
  readonly name: string
  readonly sleep_ms: number
}

interface PgLoginStep {
  readonly name: string
  readonly pg_login: { readonly username: string; readonly password: string }
  readonly accepted: boolean
}

export type Step = RequestStep | SleepStep | PgLoginStep

export interface Scenario {
  readonly scenario: string
  readonly title: string
  readonly requires?: readonly string[]
  readonly steps: readonly Step[]
}

const FOLDER = new URL('./scenarios/', import.meta.url)

/** All recorded scenarios, by name. */
export function loadScenarios(): Scenario[] {
  const files = readdirSync(FOLDER).filter(file => file.endsWith('.json'))
  return files.sort().map(file => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Scenario)
}
