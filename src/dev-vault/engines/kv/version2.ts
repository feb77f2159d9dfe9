import { rfc3339 } from '../../clock.ts'
import { notFound, refuse } from '../../errors.ts'
import { Fields } from '../../fields.ts'
import type { Answer, Call, Handler, Route } from '../../routing/backend.ts'
import { formatDuration } from '../../text/duration.ts'
import type { JsonObject } from '../../text/json.ts'
import { keysBelow } from '../../text/keys.ts'
import { type Limits, NO_LIMITS, showVersion, type VersionedKey, type VersionedStore } from './versions.ts'

const WRONG_PATH =
  'Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. ' +
  `If using the Vault CLI, use 'vault kv get' for this operation.`

/** Version 2: the history of a value at a path; `data/`, `metadata/` and what changes single versions. */
export function version2Routes(store: VersionedStore): Route[] {
  const pathOf = (call: Call) => call.params.path as string
  const exists = (call: Call) => store.get(pathOf(call)) !== undefined
  const wrongPath: Handler = () => ({ status: 404, data: null, warnings: [WRONG_PATH] })
  return [
    {
      path: 'config',
      help: 'The limits of all keys.',
      read: () => ({ data: showLimits(store.limits) }),
      write: call => {
        store.limits = changeLimits(store.limits, call.fields)
        return undefined
      },
    },
    {
      path: 'data/:path*',
      help: 'Writes, reads and deletes versions of a secret.',
      exists,
      read: call => readData(store, call),
      write: call => {
        if (!call.fields.has('data')) throw refuse(400, 'no data provided')
        const options = new Fields(call.fields.map('options'))
        const cas = options.has('cas') ? options.integer('cas') : undefined
        const number = store.write(pathOf(call), call.fields.map('data'), cas)
        return { data: numbered(store.get(pathOf(call)), number) }
      },
      delete: call => {
        const key = store.get(pathOf(call))
        if (key) store.remove(key, [key.current])
        return undefined
      },
    },
    {
      path: 'metadata/:path*',
      help: 'Reads, lists and deletes keys with all their versions, and sets their limits.',
      exists,
      read: call => {
        const key = store.get(pathOf(call))
        return key && { data: showKey(key) }
      },
      list: call => ({ data: { keys: keysBelow(store.paths(), pathOf(call)) } }),
      write: call => {
        const limits = changeLimits(store.get(pathOf(call))?.limits ?? NO_LIMITS, call.fields)
        store.setLimits(pathOf(call), limits)
        return undefined
      },
      delete: call => {
        store.delete(pathOf(call))
        return undefined
      },
    },
    versionsRoute('delete', 'No version number provided', (key, versions) => store.remove(key, versions)),
    versionsRoute('undelete', 'No version number provided', (key, versions) => store.undelete(key, versions)),
    versionsRoute('destroy', 'no version number provided', (key, versions) => store.destroy(key, versions)),
    {
      path: ':path*',
      help: 'Not a path of version 2.',
      read: wrongPath,
      list: wrongPath,
      write: wrongPath,
      delete: wrongPath,
    },
  ]

  function versionsRoute(verb: string, missing: string, act: (key: VersionedKey, versions: number[]) => void): Route {
    return {
      path: `${verb}/:path*`,
      help: `Makes versions of a secret ${verb}.`,
      write: call => {
        const versions = call.fields.list('versions').map(Number)
        if (versions.length === 0) throw refuse(400, missing)
        const key = store.get(pathOf(call))
        if (key) act(key, versions)
        return undefined
      },
    }
  }
}

function readData(store: VersionedStore, call: Call): Answer {
  const wanted = call.fields.integer('version')
  const key = store.get(call.params.path as string)
  const number = wanted || (key?.current ?? 0)
  const version = key?.versions.get(number)
  if (!version) throw notFound()
  const gone = store.gone(version)
  // Deleted is not the same as never there: the status says nothing, the metadata says which.
  return {
    status: gone ? 404 : 200,
    data: { data: gone ? null : version.data, metadata: numbered(key, number) },
  }
}

function numbered(key: VersionedKey | undefined, number: number): JsonObject {
  const version = key?.versions.get(number)
  return version ? { ...showVersion(version), version: number } : {}
}

function changeLimits(before: Limits, fields: Fields): Limits {
  return {
    maxVersions: fields.integer('max_versions', before.maxVersions),
    casRequired: fields.flag('cas_required', before.casRequired),
    deleteVersionAfter: fields.seconds('delete_version_after', before.deleteVersionAfter),
  }
}

function showLimits(limits: Limits): JsonObject {
  return {
    cas_required: limits.casRequired,
    delete_version_after: formatDuration(limits.deleteVersionAfter),
    max_versions: limits.maxVersions,
  }
}

function showKey(key: VersionedKey): JsonObject {
  const versions = [...key.versions].map(([number, version]) => [String(number), showVersion(version)])
  return {
    ...showLimits(key.limits),
    created_time: rfc3339(key.createdAt),
    current_version: key.current,
    oldest_version: key.oldest,
    updated_time: rfc3339(key.updatedAt),
    versions: Object.fromEntries(versions) as JsonObject,
  }
}
