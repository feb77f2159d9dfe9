import type { Vault } from '../../../vault/client.ts'
import { loginAt } from '../../../vault/login.ts'
import { type MethodLogin, repeatable } from './login.ts'
import { oneSegment } from './segment.ts'
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
  const path = `auth/app-id/login/${oneSegment(credentials.appId)}`
  return repeatable(await loginAt(vault, path, { user_id: await userId(credentials.userId) }, signal), credentials)
}
