import type { Core } from '../../core.ts'
import type { Backend } from '../../routing/backend.ts'
import { cipherRoutes } from './cipher-routes.ts'
import { exportRoutes } from './export-routes.ts'
import { keyRoutes } from './key-routes.ts'
import { Keyring } from './keyring.ts'
import { signRoutes } from './sign-routes.ts'
import { toolRoutes } from './tools.ts'

/** Transit: encryption as a service, with keys that never leave. */
export function transitBackend(core: Core): Backend {
  const keys = new Keyring(core.clock)
  return {
    help: 'The transit secrets engine encrypts, signs and hashes without storing what it is given.',
    routes: [...keyRoutes(keys), ...cipherRoutes(keys), ...signRoutes(keys), ...exportRoutes(keys), ...toolRoutes('')],
  }
}
