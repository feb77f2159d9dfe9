import { appIdBackend } from './auth/app-id.ts'
import { approleBackend } from './auth/approle/backend.ts'
import { certBackend } from './auth/cert/backend.ts'
import { githubBackend } from './auth/github.ts'
import { jwtBackend } from './auth/jwt.ts'
import { kubernetesBackend } from './auth/kubernetes.ts'
import { userpassBackend } from './auth/userpass.ts'
import type { Catalog } from './core.ts'
import { cubbyholeBackend } from './engines/cubbyhole.ts'
import { databaseBackend } from './engines/database/backend.ts'
import { kvBackend } from './engines/kv/backend.ts'
import { transitBackend } from './engines/transit/backend.ts'
import { identityBackend } from './identity/backend.ts'
import { systemBackend } from './sys/backend.ts'
import { tokenBackend } from './tokens/backend.ts'

/** Every backend there is. A new one is added here and nowhere else. */
export const catalog: Catalog = {
  secrets: { database: databaseBackend, kv: kvBackend, transit: transitBackend },
  auths: {
    'app-id': appIdBackend,
    approle: approleBackend,
    cert: certBackend,
    github: githubBackend,
    jwt: jwtBackend,
    kubernetes: kubernetesBackend,
    userpass: userpassBackend,
  },
  builtin: { cubbyhole: cubbyholeBackend, identity: identityBackend, system: systemBackend, token: tokenBackend },
}
