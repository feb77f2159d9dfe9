import { fail } from '../errors.ts'
import type { Route } from '../routing/backend.ts'

const STANDARD_HEADERS = [
  'Content-Type',
  'X-Requested-With',
  'X-Vault-AWS-IAM-Server-ID',
  'X-Vault-MFA',
  'X-Vault-No-Request-Forwarding',
  'X-Vault-Wrap-Format',
  'X-Vault-Wrap-TTL',
  'X-Vault-Policy-Override',
  'Authorization',
  'X-Vault-Token',
]

/** Which pages of other origins a browser may let in: none at first. */
export class Cors {
  origins: readonly string[] = []
  headers: readonly string[] = []

  allows(origin: string): boolean {
    return this.origins[0] === '*' || this.origins.includes(origin)
  }
}

/** `sys/config/cors`. */
export function corsRoute(cors: Cors): Route {
  return {
    path: 'config/cors',
    help: 'Which other origins browsers may let in.',
    read: () => {
      const { origins, headers } = cors
      if (origins.length === 0) return { data: { enabled: false }, flat: true }
      return { data: { enabled: true, allowed_origins: origins, allowed_headers: headers }, flat: true }
    },
    write: ({ fields }) => {
      const origins = fields.list('allowed_origins')
      if (origins.length === 0) throw fail(400, 'at least one origin or the wildcard must be provided')
      if (origins.length > 1 && origins.includes('*'))
        throw fail(400, `to allow all origins the '*' must be the only value for allowed_origins`)
      cors.origins = origins
      cors.headers = [...new Set([...STANDARD_HEADERS, ...fields.list('allowed_headers')])]
      return undefined
    },
    delete: () => {
      cors.origins = []
      return undefined
    },
  }
}
