import { once } from 'node:events'
import { lstat, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { ConfigError } from './config.ts'

/**
 * Makes way for a socket: removes one that a killed gate has left. Throws `ConfigError` when another gate answers there, which would
 * lose its tasks to this one without a word, or when it is no socket at all.
 */
export async function takeSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null)
  if (!found) return
  if (!found.isSocket()) throw new ConfigError([`WRIT_GATE_SOCKET ${path} is there already and is no socket`])
  const probe = connect(path)
  const outcome = await Promise.race([
    once(probe, 'connect').then(() => 'answers'),
    once(probe, 'error').then(([error]) => (error as NodeJS.ErrnoException).code),
  ]).catch(error => (error as NodeJS.ErrnoException).code)
  probe.destroy()
  // full, or not allowed: somebody is there as well
  if (outcome !== 'ECONNREFUSED' && outcome !== 'ENOENT') {
    throw new ConfigError([`WRIT_GATE_SOCKET ${path} is in use: another gate answers there`])
  }
  await rm(path, { force: true })
}
