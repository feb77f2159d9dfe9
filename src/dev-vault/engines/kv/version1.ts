import type { Core } from '../../core.ts'
import { refuse } from '../../errors.ts'
import type { Call, Route } from '../../routing/backend.ts'
import { parseSeconds } from '../../text/duration.ts'
import type { JsonObject } from '../../text/json.ts'
import { keysBelow } from '../../text/keys.ts'

/** Version 1: one value at a path, replaced by each write. */
export function version1Routes(core: Core, store: Map<string, JsonObject>): Route[] {
  const keyOf = (call: Call) => call.params.path as string
  return [
    {
      path: ':path*',
      help: 'Pass-through secret storage: reads, writes, lists and deletes secrets.',
      exists: call => store.has(keyOf(call)),
      read: call => {
        const data = store.get(keyOf(call))
        return data && { data, leaseDuration: wantedTtl(data) ?? core.ttlsOf(call.mount).mountDefault }
      },
      list: call => ({ data: { keys: keysBelow(store.keys(), keyOf(call)) } }),
      write: call => {
        if (Object.keys(call.request.data).length === 0) throw refuse(400, 'missing data fields')
        store.set(keyOf(call), call.request.data)
        return undefined
      },
      delete: call => {
        store.delete(keyOf(call))
        return undefined
      },
    },
  ]
}

/** A `ttl` (or `lease`) in the data tells readers how long to keep it; it is no lease, and text that is no duration is data. */
function wantedTtl(data: JsonObject): number | undefined {
  try {
    return parseSeconds(data.ttl ?? data.lease) || undefined
  } catch {
    return undefined
  }
}
