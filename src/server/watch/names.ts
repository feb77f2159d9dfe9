import { WritError } from '../../protocol/errors.ts'

/** What is not ours to name: our own interface is below `api`, and the others mean something to Vault's clients. */
const TAKEN = new Set(['api', 'auth', 'cubbyhole', 'identity', 'sys'])
const LONGEST = 100

/** The name of a watch, which is its mount. Throws `watch_name_invalid`. */
export function checkWatchName(name: string): string {
  if (!/^[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/.test(name) || name.length > LONGEST || TAKEN.has(name.toLowerCase())) {
    throw new WritError('watch_name_invalid', `cannot mount ${JSON.stringify(name.slice(0, LONGEST))}`)
  }
  return name
}

/** A name below a path, as Vault's generic name pattern has it (gitops.md §4.3). */
const ITEM_NAME = /^\w(?:[\w.-]*\w)?$/
const LONGEST_ITEM = 200

export function isItemName(name: string): boolean {
  return ITEM_NAME.test(name) && name.length <= LONGEST_ITEM
}
