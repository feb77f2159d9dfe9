import { createHash } from 'node:crypto'
import { addressAllowed, CidrError } from '../cidr.ts'
import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import { cleanPolicies } from '../policy/names.ts'
import type { Answer, Backend, Call } from '../routing/backend.ts'
import { PathMap } from './path-map.ts'
import { loginOf, NO_PARAMS } from './token-params.ts'

const sha1 = (text: string) => `sha1:${createHash('sha1').update(text).digest('hex')}`

/** The app-id method, which Vault had until 1.11: an application and a machine that are mapped to each other. */
export function appIdBackend(_core: Core): Backend {
  const apps = new PathMap()
  const users = new PathMap()

  const login = (call: Call): Answer => {
    const appId = call.fields.text('app_id')
    const userId = call.fields.text('user_id')
    if (appId === '' || userId === '') throw refuse(400, `missing 'app_id' or 'user_id'`)
    const app = apps.get(appId)
    if (!app || !users.values(userId).includes(appId) || !fromHere(call, users.get(userId)?.cidr_block)) {
      throw refuse(400, 'invalid user ID or app ID')
    }
    return {
      login: {
        ...loginOf(NO_PARAMS),
        policies: apps.values(appId),
        displayName: typeof app.display_name === 'string' ? app.display_name : '',
        metadata: { 'app-id': sha1(appId), 'user-id': sha1(userId) },
        alias: appId,
        internal: { appId, userId, policies: cleanPolicies(apps.values(appId), false) },
      },
    }
  }

  return {
    help: 'The App ID credential provider is used to perform authentication from within applications or machine by pairing two ids.',
    open: ['login', 'login/*'],
    routes: [
      ...apps.routes('app-id'),
      ...users.routes('user-id'),
      { path: 'login', help: 'Logs in with an app id and a user id.', write: login },
      { path: 'login/:app_id', help: 'Logs in with an app id and a user id.', write: login },
    ],
    renewLogin: token => {
      const { appId, userId, policies } = token.internal as { appId: string; userId: string; policies: string[] }
      if (!users.values(userId).includes(appId)) throw refuse(500, 'invalid user ID or app ID')
      if (cleanPolicies(apps.values(appId), false).join() !== policies.join())
        throw refuse(500, 'policies do not match')
      return NO_PARAMS
    },
  }
}

function fromHere(call: Call, block: unknown): boolean {
  if (typeof block !== 'string' || block === '') return true
  try {
    return addressAllowed(call.request.address, [block])
  } catch (error) {
    // A block that cannot be read binds to nowhere.
    if (error instanceof CidrError) return false
    throw error
  }
}
