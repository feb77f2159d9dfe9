import type { Core } from '../core.ts'
import { toolRoutes } from '../engines/transit/tools.ts'
import type { Backend } from '../routing/backend.ts'
import { capabilityRoutes } from './capabilities.ts'
import { corsRoute } from './cors.ts'
import { internalUiRoutes, OPEN_INTERNAL } from './internal-ui.ts'
import { leaseRoutes, SUDO_LEASES } from './leases.ts'
import { mountRoutes } from './mounts.ts'
import { policyRoutes } from './policies.ts'
import { OPEN_WRAPPING, wrappingRoutes } from './wrapping.ts'

/** `sys/`: the server about itself. */
export function systemBackend(core: Core): Backend {
  return {
    help: 'The system backend controls the server: mounts, policies, leases, wrapping.',
    open: [...OPEN_WRAPPING, ...OPEN_INTERNAL],
    sudo: [...SUDO_LEASES, 'auth/*', 'remount', 'audit', 'audit/*', 'raw', 'raw/*', 'rotate', 'seal', 'config/cors'],
    routes: [
      ...mountRoutes(core),
      ...policyRoutes(core),
      ...capabilityRoutes(core),
      ...wrappingRoutes(core),
      ...leaseRoutes(core),
      ...internalUiRoutes(core),
      ...toolRoutes('tools/'),
      corsRoute(core.cors),
      {
        path: 'seal',
        help: 'Seals the server.',
        write: () => {
          core.sealed = true
          return undefined
        },
      },
      { path: 'audit', help: 'Lists the audit devices; there are none.', read: () => ({ data: {}, flat: true }) },
      {
        path: 'key-status',
        help: 'The age of the encryption key.',
        read: () => ({ data: { term: 1, install_time: new Date(core.clock.now()).toISOString() }, flat: true }),
      },
    ],
  }
}
