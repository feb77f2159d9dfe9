import { WritError } from '../../../protocol/errors.ts'
import type { TaskId } from './scheduler.ts'

/** Longer than any scheduler's; the longest known are the ARNs of ECS. */
const LONGEST = 512
/** Of each grammar; none is made for a single id. */
const anchored = new WeakMap<RegExp, RegExp>()

/**
 * Checks an id by a scheduler's grammar, given without anchors. The attack: `../auth/token/create` or a line break in an id, which
 * would choose another path or forge a line of the log. Throws `task_id_invalid`, without the id.
 */
export function parseTaskId(text: string, grammar: RegExp): TaskId {
  const whole = anchored.get(grammar) ?? new RegExp(`^(?:${grammar.source})$`, grammar.flags)
  anchored.set(grammar, whole)
  const dots = text.split('/').some(part => part === '.' || part === '..')
  if (text.length > LONGEST || dots || !whole.test(text)) throw new WritError('task_id_invalid')
  return text as TaskId
}
