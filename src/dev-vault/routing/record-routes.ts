import { notFound } from '../errors.ts'
import type { JsonObject } from '../text/json.ts'
import type { Call, Route } from './backend.ts'

/** What a backend keeps under names that people choose: roles, trusted certificates. */
export interface NamedRecords<T> {
  /** `role`: the list is there, each record at `role/:name`. */
  readonly path: string
  /** What one is called in the help: `role`. */
  readonly noun: string
  readonly records: Map<string, T>
  readonly nameOf: (call: Call) => string
  /** A new record, or what becomes of the one before; refuses what is wrong. */
  readonly change: (call: Call, before: T | undefined) => T
  readonly show: (record: T) => JsonObject
}

/** The two paths at which records are listed, read, written and deleted. Deleting what is not there is no error. */
export function recordRoutes<T>({ path, noun, records, nameOf, change, show }: NamedRecords<T>): Route[] {
  return [
    { path, help: `Lists the ${noun}s.`, list: () => ({ data: { keys: [...records.keys()].sort() } }) },
    {
      path: `${path}/:name`,
      help: `Reads, writes or deletes a ${noun}.`,
      exists: call => records.has(nameOf(call)),
      read: call => {
        const record = records.get(nameOf(call))
        if (!record) throw notFound()
        return { data: show(record) }
      },
      write: call => {
        records.set(nameOf(call), change(call, records.get(nameOf(call))))
        return undefined
      },
      delete: call => {
        records.delete(nameOf(call))
        return undefined
      },
    },
  ]
}
