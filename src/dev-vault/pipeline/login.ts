import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import { cleanPolicies } from '../policy/names.ts'
import type { Mount } from '../routing/backend.ts'
import type { VaultRequest } from '../routing/request.ts'
import type { JsonObject } from '../text/json.ts'
import type { TokenType } from '../tokens/entry.ts'
import type { Login } from '../tokens/login.ts'
import { authBlock } from '../tokens/show.ts'
import { decideTtl } from '../tokens/ttl.ts'

/** Makes the token of a login; answers its `auth` block. */
export function login(core: Core, request: VaultRequest, mount: Mount, wanted: Login): JsonObject {
  const type = tokenType(wanted.tokenType, mount.config.tokenType)
  if (type === 'batch' && wanted.numUses > 0) throw refuse(400, 'batch tokens cannot have "num_uses" set')
  const entity = core.entities.login(mount, wanted.alias, wanted.metadata, core.clock.now())
  const { ttl } = decideTtl({ ...wanted, ...core.ttlsOf(mount), age: 0 })
  const source = mount.path.replace(/^auth\//, '').replaceAll('/', '-')
  const token = core.tokens.create({
    type,
    policies: cleanPolicies(wanted.policies, !wanted.noDefaultPolicy),
    path: request.path,
    meta: wanted.metadata,
    displayName: `${source}${wanted.displayName}`.replace(/-$/, ''),
    ttl,
    explicitMaxTtl: wanted.explicitMaxTtl,
    period: wanted.period,
    renewable: true,
    entityId: entity.id,
    boundCidrs: wanted.boundCidrs,
    numUses: wanted.numUses,
    internal: wanted.internal,
  })
  return authBlock(token, ttl)
}

/** What a role says, with the mount's word where it leaves the choice. */
function tokenType(role: string, mount: string): TokenType {
  if (mount === 'batch' || mount === 'service') return mount
  if (role === 'batch' || role === 'service') return role
  return mount === 'default-batch' ? 'batch' : 'service'
}
