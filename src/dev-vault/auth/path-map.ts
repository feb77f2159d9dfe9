import { notFound } from '../errors.ts'
import type { Call, Route } from '../routing/backend.ts'
import type { JsonObject } from '../text/json.ts'

/** Names that are mapped to policies (or to other names), as the older auth methods keep them. Case does not matter. */
export class PathMap {
  readonly #entries = new Map<string, JsonObject>()

  get(name: string): JsonObject | undefined {
    return this.#entries.get(name.toLowerCase())
  }

  /** The mapped value as a list. */
  values(name: string): string[] {
    const value = this.get(name)?.value
    const items = typeof value === 'string' ? value.split(',') : []
    return items.map(item => item.trim()).filter(item => item !== '')
  }

  /** `map/<kind>` and `map/<kind>/:key`. */
  routes(kind: string): Route[] {
    const keyOf = (call: Call) => call.params.key as string
    return [
      {
        path: `map/${kind}`,
        help: `Lists the mapped ${kind}.`,
        list: () => ({ data: { keys: [...this.#entries.keys()].sort() } }),
      },
      {
        path: `map/${kind}/:key`,
        help: `Reads, writes or deletes what one of the ${kind} is mapped to.`,
        exists: call => this.get(keyOf(call)) !== undefined,
        read: call => {
          const data = this.get(keyOf(call))
          if (!data) throw notFound()
          return { data }
        },
        write: call => {
          this.#entries.set(keyOf(call).toLowerCase(), { ...call.request.data, key: keyOf(call) })
          return undefined
        },
        delete: call => {
          this.#entries.delete(keyOf(call).toLowerCase())
          return undefined
        },
      },
    ]
  }
}
