import type { Core } from '../../core.ts'
import type { Backend, Mount } from '../../routing/backend.ts'
import type { JsonObject } from '../../text/json.ts'
import { version1Routes } from './version1.ts'
import { version2Routes } from './version2.ts'
import { VersionedStore } from './versions.ts'

/** The kv engine. Its version is an option of the mount, and tuning it from 1 to 2 takes the data along. */
export function kvBackend(core: Core, mount: Mount): Backend {
  const plain = new Map<string, JsonObject>()
  const versioned = new VersionedStore(core.clock)
  const routes1 = version1Routes(core, plain)
  const routes2 = version2Routes(versioned)
  return {
    help: 'The kv secrets engine stores secrets as they are given, in version 2 with their history.',
    get routes() {
      if (mount.options?.version !== '2') return routes1
      for (const [path, data] of plain) versioned.write(path, data)
      plain.clear()
      return routes2
    },
  }
}
