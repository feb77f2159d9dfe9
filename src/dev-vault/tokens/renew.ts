import type { Core } from '../core.ts'
import { fail, refuse, VaultError } from '../errors.ts'
import type { Answer, Call } from '../routing/backend.ts'
import type { TokenEntry } from './entry.ts'
import { authBlock } from './show.ts'
import { decideTtl } from './ttl.ts'

/** Prolongs a token, within what its role or login method says now. Without an increment it goes back to its first lifetime. */
export function renewToken(core: Core, token: TokenEntry, call: Call): Answer {
  if (token.type === 'batch') throw refuse(400, 'batch tokens cannot be renewed')
  if (!token.renewable || token.ttl === 0) throw refuse(400, 'lease is not renewable')
  const { ttl, warnings } = renewedTtl(core, token, call)
  core.tokens.renew(token, ttl)
  return { auth: authBlock(token, ttl), warnings }
}

function renewedTtl(core: Core, token: TokenEntry, { fields, request }: Call): { ttl: number; warnings: string[] } {
  const mount = core.mounts.resolve(token.path)?.mount
  if (!mount) throw fail(500, 'failed to renew entry: the mount of the token is gone')
  const age = Math.trunc((core.clock.now() - token.createdAt) / 1000)
  const increment = fields.seconds('increment')
  const own = { ttl: token.ttl, maxTtl: 0, period: 0, explicitMaxTtl: token.explicitMaxTtl }
  try {
    const limits = mount.backend.renewLogin?.(token, request) ?? own
    return decideTtl({ ...limits, increment, ...core.ttlsOf(mount), age })
  } catch (error) {
    if (!(error instanceof VaultError || error instanceof RangeError)) throw error
    throw fail(500, `failed to renew entry: ${error.message}`)
  }
}
