import { WritError } from '../../protocol/errors.ts'
import { type Capability, capabilities } from '../../vault/capabilities.ts'
import { asUnavailable, type Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'

/** The path in Vault's policies that stands for a watch (DESIGN §6). */
function watchPath(name: string): string {
  // also for a name that no watch can have: nothing in it may be a glob or a folder of a policy's path
  const encoded = encodeURIComponent(name).replaceAll('*', '%2A')
  return `writ/watches/${/^\.+$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded}`
}

/** Throws `watch_not_permitted` unless one of these capabilities on the watch is the caller's. */
export async function requireWatch(engine: Engine, caller: Caller, name: string, ...any: Capability[]): Promise<void> {
  if ((await permitted(engine, caller, [name], any)).length === 0) throw new WritError('watch_not_permitted')
}

/** Those of the watches on which the caller has one of the capabilities. When Vault cannot be asked, the answer is no. */
export async function permitted(
  engine: Engine,
  caller: Caller,
  names: readonly string[],
  any: readonly Capability[],
): Promise<string[]> {
  try {
    const granted = await capabilities(engine.vault, caller.token, names.map(watchPath))
    return names.filter((_, index) => granted[index]?.some(power => power === 'root' || any.includes(power)))
  } catch (error) {
    throw asUnavailable(error)
  }
}
