import { createContext, Script } from 'node:vm'

/** Longer than any honest expression takes on a name. */
const LONGEST_MS = 50

const SCRIPT = new Script('new RegExp(expression, "u").test(text)')

/**
 * Does the expression match all of the text? The attack: names of tasks are made by strangers, and an operator's expression with
 * nested repetitions takes hours for the right one; so it is given a moment, and what takes longer does not match.
 */
export function matchesWhole(expression: string, text: string): boolean {
  try {
    const context = createContext({ expression: `^(?:${expression})$`, text })
    return SCRIPT.runInContext(context, { timeout: LONGEST_MS }) === true
  } catch {
    return false
  }
}
