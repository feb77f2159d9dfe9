import type { Vault } from './client.ts'
import type { Secret } from './secret.ts'

export type Capability = 'create' | 'read' | 'update' | 'delete' | 'list' | 'sudo' | 'root' | 'deny' | 'patch'

/**
 * What the holder of this token may do to each of these paths, in the same order. Asked with the token itself
 * (`sys/capabilities-self`, which the default policy allows); the paths need not exist. Throws when Vault cannot be asked: no
 * answer is a no.
 */
export async function capabilities(
  vault: Vault,
  token: Secret,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Capability[][]> {
  if (paths.length === 0) return []
  const body = { paths }
  const answer = await vault.send({ method: 'POST', path: 'sys/capabilities-self', token, body, signal })
  return paths.map(path => {
    const granted = answer?.data?.[path]
    return Array.isArray(granted) ? granted : []
  })
}

/** May the holder of this token do that to this path? A root token may do everything. */
export async function isCapable(
  vault: Vault,
  token: Secret,
  path: string,
  wanted: Capability,
  signal?: AbortSignal,
): Promise<boolean> {
  const [granted = []] = await capabilities(vault, token, [path], signal)
  return granted.includes(wanted) || granted.includes('root')
}
