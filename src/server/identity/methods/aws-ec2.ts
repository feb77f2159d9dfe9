import Pool from 'undici/lib/dispatcher/pool.js'
import type { Vault } from '../../../vault/client.ts'
import { VaultError } from '../../../vault/error.ts'
import { exchange } from '../../../vault/exchange.ts'
import { loginAt } from '../../../vault/login.ts'
import { Secret } from '../../../vault/secret.ts'
import { type MethodLogin, repeatable } from './login.ts'

export interface AwsEc2Credentials {
  readonly kind: 'aws-ec2'
  readonly role: string
  /** Vault binds an instance to the nonce of its first login; empty lets Vault choose one. */
  readonly nonce: Secret
  readonly mount?: string
  /** Of the instance's metadata service. */
  readonly metadata?: string
}

const METADATA = 'http://169.254.169.254'
const WAIT = { headersTimeout: 3_000, bodyTimeout: 3_000, connectTimeout: 3_000 }
const LONGEST = 16_384

/** An EC2 instance, by the identity document that Amazon has signed (gatekeeper.md §5). */
export async function byAwsEc2(
  vault: Vault,
  credentials: AwsEc2Credentials,
  signal?: AbortSignal,
): Promise<MethodLogin<AwsEc2Credentials>> {
  const { role, nonce, mount = 'aws-ec2', metadata = METADATA } = credentials
  const pkcs7 = (await identityDocument(metadata, signal)).replace(/\s/g, '')
  const body = { pkcs7, ...(role && { role }), ...(nonce.reveal() && { nonce: nonce.reveal() }) }
  const auth = await loginAt(vault, `auth/${mount}/login`, body, signal)
  // without the nonce that Vault chose at the first login, it would refuse the second
  const chosen = auth.metadata.nonce
  return repeatable(auth, typeof chosen === 'string' ? { ...credentials, nonce: new Secret(chosen) } : credentials)
}

async function identityDocument(metadata: string, signal?: AbortSignal): Promise<string> {
  const pool = new Pool(metadata, WAIT)
  const get = async (method: 'GET' | 'PUT', path: string, headers: Record<string, string>) => {
    const asked = { method, path: `/latest/${path}`, headers, signal, maxBytes: LONGEST }
    const { status, text } = await exchange(pool, asked)
    return status === 200 ? text : null
  }
  try {
    // a session, as version 2 of the service wants it; version 1 has none and needs none. In a container the answer may not arrive
    const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
    const session = await get('PUT', 'api/token', ttl).catch(error => {
      if (signal?.aborted) throw error
      return null
    })
    const headers = session ? { 'x-aws-ec2-metadata-token': session } : undefined
    const document = await get('GET', 'dynamic/instance-identity/pkcs7', headers ?? {})
    if (document) return document
  } catch (error) {
    if (signal?.aborted) throw error
  } finally {
    await pool.destroy()
  }
  const errors = ['the metadata service of the instance does not answer']
  throw new VaultError({ status: 0, path: 'auth/aws-ec2/login', errors })
}
