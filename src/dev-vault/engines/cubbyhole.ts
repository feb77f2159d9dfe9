import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import type { Backend, Call, Caller } from '../routing/backend.ts'
import type { JsonObject } from '../text/json.ts'
import { keysBelow } from '../text/keys.ts'

const OLD_UNWRAP =
  `Reading from 'cubbyhole/response' is deprecated. Please use sys/wrapping/unwrap to unwrap responses, as it provides additional ` +
  'security checks and other benefits.'

/** `cubbyhole/`: what a token keeps for itself. It lives in the token and so ends with it; nobody else can reach it. */
export function cubbyholeBackend(_core: Core): Backend {
  const store = (call: Call): Map<string, JsonObject> => {
    const { token } = call.caller as Caller
    if (token.type === 'batch') throw refuse(400, 'cubbyhole operations are only supported by "service" type tokens')
    token.cubbyhole ??= new Map()
    return token.cubbyhole
  }
  const keyOf = (call: Call) => call.params.path as string
  return {
    help: 'The cubbyhole secrets engine stores secrets private to each token.',
    routes: [
      {
        path: ':path*',
        help: 'Secrets of the calling token.',
        exists: call => store(call).has(keyOf(call)),
        read: call => {
          const data = store(call).get(keyOf(call))
          if (!data) return undefined
          return { data, warnings: keyOf(call) === 'response' ? [OLD_UNWRAP] : [] }
        },
        list: call => ({ data: { keys: keysBelow(store(call).keys(), keyOf(call)) } }),
        write: call => {
          if (keyOf(call) === '') throw refuse(400, 'missing path')
          if (Object.keys(call.request.data).length === 0) throw refuse(400, 'missing data fields')
          store(call).set(keyOf(call), call.request.data)
          return undefined
        },
        delete: call => {
          store(call).delete(keyOf(call))
          return undefined
        },
      },
    ],
  }
}
