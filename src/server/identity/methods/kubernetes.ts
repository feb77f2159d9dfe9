import { readFile } from 'node:fs/promises'
import type { Vault } from '../../../vault/client.ts'
import { VaultError } from '../../../vault/error.ts'
import { loginAt } from '../../../vault/login.ts'
import { type MethodLogin, repeatable } from './login.ts'

export interface KubernetesCredentials {
  readonly kind: 'kubernetes'
  readonly role: string
  /** Where the cluster puts the token of the service account, and a new one every hour. */
  readonly tokenFile: string
  readonly mount?: string
}

export async function byKubernetes(
  vault: Vault,
  credentials: KubernetesCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<KubernetesCredentials>> {
  const { role, tokenFile, mount = 'kubernetes' } = credentials
  const path = `auth/${mount}/login`
  return repeatable(await loginAt(vault, path, { role, jwt: await freshFile(tokenFile, path) }, signal), credentials)
}

/** Read at each login: what is there is replaced while we run. */
export async function freshFile(file: string, path: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw new VaultError({ status: 0, path, errors: [`the file with its token cannot be read (${error.code})`] })
  })
  return text.trim()
}
