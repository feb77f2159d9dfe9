/**
 * An Aho-Corasick automaton over bytes: finds all patterns at once, in time linear in the text whatever the patterns are. A regular
 * expression of alternatives would be shorter, but knows nothing of chunk borders, works on text instead of bytes, and backtracks.
 *
 * A state stands for the longest end of the text so far that is the beginning of a pattern. State 0 and the states of one byte,
 * where ordinary text spends its time, have a full table; deeper ones have a list of children and a way back (`fallback`). A full
 * table for all would be 1 kB for every byte of every pattern.
 */
export interface Automaton {
  readonly states: number
  /** The number of states with a row of 256 in `table`. */
  readonly rows: number
  readonly table: Int32Array
  readonly child: Int32Array
  readonly sibling: Int32Array
  readonly byte: Uint8Array
  readonly fallback: Int32Array
  /** How many bytes of the text the state stands for. */
  readonly depth: Int32Array
  /** How many of these bytes may be the beginning of a match that is still to come. */
  readonly hopeful: Int32Array
  /** The state of the longest pattern that ends here; 0 if none does. */
  readonly match: Int32Array
  /** Which pattern a state completes (index into what was given), for the states that `match` names. */
  readonly pattern: Int32Array
}

/** @param patterns none of them empty; of equal ones the first counts */
export function buildAutomaton(patterns: readonly Uint8Array[]): Automaton {
  const room = patterns.reduce((sum, pattern) => sum + pattern.length, 1)
  const ints = () => new Int32Array(room)
  const [child, sibling, fallback] = [ints(), ints(), ints()]
  const [depth, hopeful, match] = [ints(), ints(), ints()]
  const pattern = ints().fill(-1)
  const byte = new Uint8Array(room)
  const roots = new Int32Array(256)
  let rows = 0
  let table = new Int32Array(0)
  let states = 1

  const add = (parent: number, value: number): number => {
    const state = states++
    byte[state] = value
    depth[state] = (depth[parent] as number) + 1
    sibling[state] = child[parent] as number
    child[parent] = state
    if (parent < rows) table[parent * 256 + value] = state
    return state
  }
  const find = (parent: number, value: number): number => {
    if (parent === 0) return roots[value] as number
    // of a state of one byte there may be 256, and each byte of each pattern asks one of them
    if (parent < rows) return table[parent * 256 + value] as number
    let state = child[parent] as number
    while (state !== 0 && byte[state] !== value) state = sibling[state] as number
    return state
  }

  // the states of one byte come first, so that "has a row" is a comparison
  for (const [first] of patterns) {
    if (first !== undefined && roots[first] === 0) roots[first] = add(0, first)
  }
  rows = states
  table = new Int32Array(rows * 256)
  patterns.forEach((bytes, index) => {
    let state = 0
    for (const value of bytes) state = find(state, value) || add(state, value)
    if (pattern[state] === -1) pattern[state] = index
  })

  const queue = new Int32Array(states)
  let queued = 1
  for (let at = 0; at < queued; at++) {
    const parent = queue[at] as number
    const shorter = fallback[parent] as number
    match[parent] = pattern[parent] === -1 ? (match[shorter] as number) : parent
    hopeful[parent] = child[parent] === 0 ? (hopeful[shorter] as number) : (depth[parent] as number)
    for (let state = child[parent] as number; state !== 0; state = sibling[state] as number) {
      queue[queued++] = state
      if (parent === 0) continue
      let back = fallback[parent] as number
      while (back !== 0 && find(back, byte[state] as number) === 0) back = fallback[back] as number
      fallback[state] = find(back, byte[state] as number)
    }
  }

  for (let row = 0; row < rows; row++) {
    for (let value = 0; value < 256; value++) table[row * 256 + value] ||= roots[value] as number
  }
  return { states, rows, table, child, sibling, byte, fallback, depth, hopeful, match, pattern }
}
