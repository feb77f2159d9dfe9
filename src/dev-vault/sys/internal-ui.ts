import { addressAllowed } from '../cidr.ts'
import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import type { Acl } from '../policy/acl.ts'
import type { Call, Caller, Mount, Route } from '../routing/backend.ts'
import { showMount } from './mount-config.ts'

/** These decide by themselves what a token may see, and the list answers without one. */
export const OPEN_INTERNAL = ['internal/ui/mounts', 'internal/ui/mounts/*']

/** `sys/internal/ui`: what the command line and the web page ask before they touch an engine. */
export function internalUiRoutes(core: Core): Route[] {
  const aclOf = (call: Call): Acl | undefined => {
    const token = core.tokens.find(call.request.token)
    return token && addressAllowed(call.request.address, token.boundCidrs) ? core.policies.aclOf(token) : undefined
  }
  return [
    {
      path: 'internal/ui/mounts',
      help: 'The mounts that the token may reach, and those shown to everybody.',
      read: call => {
        const acl = aclOf(call)
        const visible = (mount: Mount) => mount.config.shown.listing_visibility === 'unauth' || acl?.reaches(mount.path)
        const show = (mounts: Mount[], root: string) =>
          Object.fromEntries(mounts.filter(visible).map(mount => [mount.path.slice(root.length), showMount(mount)]))
        return { data: { secret: show(core.mounts.secrets(), ''), auth: show(core.mounts.auths(), 'auth/') } }
      },
    },
    {
      path: 'internal/ui/mounts/:path*',
      help: 'The mount that serves a path.',
      read: call => {
        if (call.request.token === '') throw refuse(400, 'missing client token')
        const path = `${(call.params.path as string).replace(/\/+$/, '')}/`
        const mount = core.mounts.resolve(path)?.mount
        // A mount that is not there and one that may not be seen must look the same.
        if (!mount || !aclOf(call)?.reaches(mount.path)) {
          const reason = `please ensure client's policies grant access to path ${JSON.stringify(path)}`
          throw refuse(403, `preflight capability check returned 403, ${reason}`)
        }
        return { data: { ...showMount(mount), path: mount.path.replace(/^auth\//, '') } }
      },
    },
    {
      path: 'internal/ui/resultant-acl',
      help: 'What the policies of the token add up to.',
      read: call => {
        const { acl } = call.caller as Caller
        const { exact, glob } = acl.summary()
        return { data: { root: acl.root, exact_paths: exact, glob_paths: glob } }
      },
    },
  ]
}
