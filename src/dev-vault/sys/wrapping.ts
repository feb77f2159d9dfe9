import { rfc3339 } from '../clock.ts'
import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import { wrappingToken, wrappingTokenId } from '../pipeline/unwrap.ts'
import { wrap } from '../pipeline/wrap.ts'
import type { Answer, Call, Caller, Handler, Route } from '../routing/backend.ts'
import { type JsonObject, parseJson } from '../text/json.ts'
import type { TokenEntry } from '../tokens/entry.ts'

/** Paths of these that need no token of their own. */
export const OPEN_WRAPPING = ['wrapping/lookup']

/** `sys/wrapping`: look at, open and renew wrapped answers, and wrap anything. */
export function wrappingRoutes(core: Core): Route[] {
  const lookup: Handler = call => {
    const token = wrappingToken(core, wrappingTokenId(call.request))
    return {
      data: {
        creation_path: token.path,
        creation_time: rfc3339(token.createdAt),
        creation_ttl: Math.trunc(token.ttl),
      },
    }
  }
  return [
    { path: 'wrapping/lookup', help: 'What a wrapping token is about.', read: lookup, write: lookup },
    {
      path: 'wrapping/unwrap',
      help: 'Opens a wrapped answer, once.',
      write: async call => {
        const token = wrapped(core, call)
        const response = responseOf(token)
        await core.tokens.revoke(token)
        return stored(response)
      },
    },
    {
      path: 'wrapping/rewrap',
      help: 'Puts a wrapped answer under a new token.',
      write: async call => {
        const token = wrapped(core, call)
        const response = responseOf(token)
        await core.tokens.revoke(token)
        const { wrappedAccessor } = token.internal
        return { wrap: wrap(core, response, token.path, token.ttl, String(wrappedAccessor ?? '')) }
      },
    },
    {
      path: 'wrapping/wrap',
      help: 'Wraps what it is given.',
      write: call => {
        if (call.request.wrapTtl === 0) throw refuse(400, 'endpoint requires response wrapping to be used')
        return { data: call.request.data }
      },
    },
  ]
}

function wrapped(core: Core, call: Call): TokenEntry {
  const caller = (call.caller as Caller).token
  const id = wrappingTokenId(call.request)
  // Its one use is this request, so a token that opens itself no longer counts as unspent.
  return id === caller.id ? caller : wrappingToken(core, id)
}

function responseOf(token: TokenEntry): string {
  return String(token.cubbyhole?.get('response')?.response ?? '{}')
}

/** The wrapped envelope as an answer, with lease and auth as they were. */
function stored(response: string): Answer {
  const body = parseJson(response) as JsonObject
  return {
    data: body.data as JsonObject | null,
    leaseId: body.lease_id as string,
    renewable: body.renewable as boolean,
    leaseDuration: body.lease_duration as number,
    warnings: (body.warnings ?? []) as string[],
    ...(body.auth ? { auth: body.auth as JsonObject } : {}),
  }
}
