import type { Machine } from './machine.ts'

/** What somebody wants to do with this machine: serve, run the test suite, or run the demonstration. */
export const PROFILES = ['run', 'test', 'demo'] as const
export type Profile = (typeof PROFILES)[number]

export type Finding =
  | { readonly ok: true; readonly detail: string }
  | {
      readonly ok: false
      readonly cause: string
      /** What to do, as a command where one does it. */
      readonly remedy: string
      /** The Debian packages that mend it, or that its `mend` needs. Left out: only a person can mend this. */
      readonly packages?: readonly string[]
    }

/** One thing that writ needs from the machine. */
export interface Check {
  readonly name: string
  readonly needs: readonly Profile[]
  probe(machine: Machine, profile: Profile): Promise<Finding>
  /** What is to do once the packages are there. Called as root on Debian or Ubuntu only; `say` takes a line about it. */
  mend?(machine: Machine, say: (line: string) => void): Promise<void>
}
