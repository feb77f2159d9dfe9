import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const MEGABYTE = 1024 * 1024
/** Twice what lives at once of an output that is followed (`Feed` remembers 4 MB): what is collected sooner survives, and is kept longer. */
const EVERY_BYTES = 8 * MEGABYTE
/** What may have grown old without being needed, which no collection of the young frees, before all is collected. */
const PILE_BYTES = 20 * MEGABYTE

let passed = 0
let fresh = true
let heldBefore = 0
let collect: ((type: 'minor' | 'major') => void) | undefined

/**
 * To be told of output that goes through. What it leaves are buffers outside of V8's heap, and V8 looks for those only when there are
 * 64 MB of them: by so much the process grew, and the allocator did not give it back. A collection of the young takes 1 to 6 ms, one of
 * everything 10 to 40.
 */
export function outputPassed(bytes: number): void {
  passed += bytes
  if (passed < EVERY_BYTES) return
  passed = 0
  const held = process.memoryUsage().arrayBuffers
  if (fresh) heldBefore = held
  fresh = held > heldBefore + PILE_BYTES
  collect ??= collector()
  collect(fresh ? 'major' : 'minor')
}

function collector(): (type: 'minor' | 'major') => void {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  return typeof gc === 'function' ? type => gc({ type }) : () => {}
}
