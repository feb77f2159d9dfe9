import type { X509Certificate } from 'node:crypto'
import type { JsonObject } from '../text/json.ts'

export type Operation = 'read' | 'list' | 'create' | 'update' | 'delete' | 'help'

/** One request, freed from HTTP. */
export interface VaultRequest {
  readonly id: string
  readonly operation: Operation
  /** Without `/v1/`, decoded; of a list it ends in `/`. */
  readonly path: string
  readonly data: JsonObject
  /** Empty when the client sent none. */
  readonly token: string
  /** Seconds; 0 asks for no wrapping. */
  readonly wrapTtl: number
  readonly address: string
  /** Over TLS: the certificate that the client has shown, if any. It holds the key, but nobody has looked who issued it. */
  readonly clientCertificate?: () => X509Certificate | undefined
}
