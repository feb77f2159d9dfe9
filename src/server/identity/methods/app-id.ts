import type { Vault } from '../../../vault/client.ts'
import { type MethodLogin, repeatable } from './login.ts'
import { loginAs } from './segment.ts'
import { type UserIdSource, userId } from './user-id.ts'

export interface AppIdCredentials {
  readonly kind: 'app-id'
  readonly appId: string
  readonly userId: UserIdSource
}

export async function byAppId(
  vault: Vault,
  credentials: AppIdCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<AppIdCredentials>> {
  const body = { user_id: await userId(credentials.userId) }
  return repeatable(await loginAs(vault, 'app-id', credentials.appId, body, signal), credentials)
}
