import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import type { Answer, Call, Mount, Route } from '../routing/backend.ts'
import { isObject } from '../text/json.ts'
import { SYSTEM_TTL } from '../tokens/ttl.ts'
import { newConfig, showMount, showTuning, tunedConfig } from './mount-config.ts'

/** Mounts that come with the server and stay. */
const FIXED = ['sys/', 'cubbyhole/', 'identity/', 'auth/token/']
const RESERVED = /^(sys|auth|audit)\//

/** `sys/mounts`, `sys/auth` and `sys/remount`. */
export function mountRoutes(core: Core): Route[] {
  return [...tableRoutes(core, 'mounts', ''), ...tableRoutes(core, 'auth', 'auth/'), remountRoute(core)]
}

function tableRoutes(core: Core, table: 'mounts' | 'auth', root: string): Route[] {
  const auth = table === 'auth'
  const pathOf = (call: Call) => `${root}${(call.params.path as string).replace(/\/+$/, '')}/`
  return [
    {
      path: table,
      help: auth ? 'Lists the auth methods: sys/auth.' : 'List the currently mounted backends: sys/mounts.',
      read: () => {
        const mounts = auth ? core.mounts.auths() : core.mounts.secrets()
        const shown = mounts.map(mount => [mount.path.slice(root.length), showMount(mount)])
        return { data: Object.fromEntries(shown) as Record<string, unknown>, flat: true }
      },
    },
    {
      path: `${table}/:path*/tune`,
      help: 'Reads or changes the tuning of a mount.',
      read: call => {
        const mount = core.mounts.get(pathOf(call))
        if (!mount) throw refuse(400, `cannot fetch sysview for path ${JSON.stringify(pathOf(call))}`)
        return { data: showTuning(mount, core.ttlsOf(mount)), flat: true }
      },
      write: call => {
        const mount = core.mounts.get(pathOf(call))
        if (!mount) throw refuse(400, `tune of path ${JSON.stringify(pathOf(call))} failed: no mount entry found`)
        return tune(call, mount)
      },
    },
    {
      path: `${table}/:path*`,
      help: 'Mounts or unmounts a backend.',
      write: call => enable(core, call, pathOf(call), auth),
      delete: async call => {
        const path = pathOf(call)
        if (path === 'auth/token/') throw refuse(400, 'token credential backend cannot be disabled')
        if (FIXED.includes(path)) throw refuse(400, `cannot unmount ${JSON.stringify(path)}`)
        const mount = core.mounts.get(path)
        if (mount) await core.unmount(mount)
        return undefined
      },
    },
  ]
}

function enable(core: Core, call: Call, path: string, auth: boolean): undefined {
  const asked = call.fields.text('type')
  if (asked === '') throw refuse(400, 'backend type must be specified as a string')
  const config = newConfig(call.fields.raw('config'))
  if (!auth && RESERVED.test(path)) throw refuse(400, `cannot mount ${JSON.stringify(path)}`)
  if (Object.hasOwn(core.catalog.builtin, asked)) {
    throw refuse(400, `mount type of ${JSON.stringify(asked)} is not mountable`)
  }
  const type = asked === 'kv-v1' || asked === 'kv-v2' || asked === 'generic' ? 'kv' : asked
  if (!Object.hasOwn(auth ? core.catalog.auths : core.catalog.secrets, type))
    throw refuse(400, `plugin not found in the catalog: ${asked}`)
  const taken = core.mounts.conflict(path)
  if (taken) throw refuse(400, `path is already in use at ${taken.path}`)
  const version = /^kv-v([12])$/.exec(asked)?.[1]
  const options = { ...stringMap(call.fields.raw('options')), ...(version && { version }) }
  core.mount({
    path,
    type,
    description: call.fields.text('description'),
    options,
    config,
    local: call.fields.flag('local'),
    sealWrap: call.fields.flag('seal_wrap'),
  })
  return undefined
}

function stringMap(value: unknown): Record<string, string> {
  if (!isObject(value)) return {}
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, String(item)]))
}

function tune(call: Call, mount: Mount): Answer | undefined {
  const { fields } = call
  const config = tunedConfig(fields, mount, SYSTEM_TTL)
  const version = stringMap(fields.raw('options')).version
  const before = mount.options?.version ?? '1'
  if (mount.type === 'kv' && version === '1' && before === '2')
    throw refuse(400, 'cannot downgrade mount from version 2')
  mount.config = config
  mount.description = fields.text('description', mount.description)
  if (!fields.has('options')) return undefined
  mount.options = { ...mount.options, ...stringMap(fields.raw('options')) }
  if (mount.type !== 'kv' || version !== '2' || before === '2') return undefined
  return {
    warnings: ['Upgrading mount from version 1 to version 2. The engine converts its data as it is asked for it.'],
  }
}

function remountRoute(core: Core): Route {
  return {
    path: 'remount',
    help: 'Moves the mount point of a backend.',
    write: call => {
      const from = `${call.fields.text('from').replace(/^\/+|\/+$/g, '')}/`
      const to = `${call.fields.text('to').replace(/^\/+|\/+$/g, '')}/`
      if (from === '/' || to === '/') throw refuse(400, 'both the old and the new path must be given')
      if (FIXED.includes(from) || from.startsWith('auth/')) throw refuse(400, `cannot remount ${JSON.stringify(from)}`)
      const mount = core.mounts.get(from)
      if (!mount) throw refuse(400, `no matching mount at ${JSON.stringify(from)}`)
      const taken = core.mounts.conflict(to)
      if (taken) throw refuse(400, `existing mount at ${JSON.stringify(taken.path)}`)
      if (RESERVED.test(to)) throw refuse(400, `cannot mount ${JSON.stringify(to)}`)
      core.mounts.move(mount, to)
      return undefined
    },
  }
}
