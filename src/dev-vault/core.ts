import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.ts'
import { Entities } from './identity/entities.ts'
import { Leases } from './leases/leases.ts'
import { Policies } from './policy/policies.ts'
import type { Backend, Mount, MountConfig } from './routing/backend.ts'
import { MountTable } from './routing/mounts.ts'
import { Cors } from './sys/cors.ts'
import { mountAccessor, uuid } from './text/ids.ts'
import { Tokens } from './tokens/tokens.ts'
import { SYSTEM_TTL } from './tokens/ttl.ts'

export interface NewMount {
  readonly path: string
  readonly type: string
  readonly description?: string
  readonly options?: Record<string, string> | null
  readonly config?: Partial<MountConfig>
  readonly local?: boolean
  readonly sealWrap?: boolean
}

type Make = (core: Core, mount: Mount) => Backend

/** Every kind of backend by its type: those one may mount, and those that come with the server. */
export interface Catalog {
  readonly secrets: Readonly<Record<string, Make>>
  readonly auths: Readonly<Record<string, Make>>
  readonly builtin: Readonly<Record<string, Make>>
}

/** Everything a server knows. All of it is in memory and ends with the process. */
export class Core {
  readonly clock: Clock
  readonly catalog: Catalog
  readonly entities = new Entities()
  readonly policies = new Policies(this.entities)
  readonly leases: Leases
  readonly tokens: Tokens
  readonly mounts = new MountTable()
  readonly cors = new Cors()
  readonly clusterId = uuid()
  readonly unsealKey = randomBytes(32).toString('base64')
  readonly rootToken: string
  sealed = false
  #sweeping = Promise.resolve()

  constructor(catalog: Catalog, clock: Clock, rootToken: string | undefined) {
    this.catalog = catalog
    this.clock = clock
    this.leases = new Leases(clock)
    this.tokens = new Tokens(clock, this.leases)
    this.rootToken = this.tokens.create({
      ...(rootToken === undefined ? {} : { id: rootToken }),
      policies: ['root'],
      path: 'auth/token/root',
      displayName: 'root',
      ttl: 0,
    }).id
    this.mount({ path: 'cubbyhole/', type: 'cubbyhole', local: true, description: 'per-token private secret storage' })
    this.mount({ path: 'identity/', type: 'identity', description: 'identity store' })
    this.mount({ path: 'sys/', type: 'system', description: 'system endpoints used for control, policy and debugging' })
    this.mount({ path: 'auth/token/', type: 'token', description: 'token based credentials' })
  }

  mount(wanted: NewMount): Mount {
    const auth = wanted.path.startsWith('auth/')
    const mount: Omit<Mount, 'backend'> = {
      path: wanted.path,
      type: wanted.type,
      accessor: mountAccessor(auth ? `auth_${wanted.type}` : wanted.type),
      uuid: uuid(),
      local: wanted.local ?? false,
      sealWrap: wanted.sealWrap ?? false,
      externalEntropyAccess: false,
      config: { defaultLeaseTtl: 0, maxLeaseTtl: 0, tokenType: 'default-service', shown: {}, ...wanted.config },
      options: wanted.options ?? null,
      description: wanted.description ?? '',
    }
    // The backend is told about its mount, so the mount is there first.
    const complete = mount as Mount
    const { secrets, auths, builtin } = this.catalog
    const make = { ...builtin, ...(auth ? auths : secrets) }[wanted.type]
    if (!make) throw new TypeError(`no backend of type ${wanted.type}`)
    complete.backend = make(this, complete)
    this.mounts.add(complete)
    return complete
  }

  /** Takes a mount away with the tokens and leases that were made at it. */
  async unmount(mount: Mount): Promise<void> {
    await this.leases.revokeAll(this.leases.under(mount.path))
    const issued = this.tokens.all().filter(token => token.path.startsWith(mount.path))
    await Promise.all(issued.map(token => this.tokens.revoke(token)))
    this.mounts.remove(mount)
    await mount.backend.close?.()
  }

  /** What lifetimes a mount gives, in seconds. */
  ttlsOf(mount: Mount): { mountDefault: number; mountMax: number } {
    return {
      mountDefault: mount.config.defaultLeaseTtl || SYSTEM_TTL,
      mountMax: mount.config.maxLeaseTtl || SYSTEM_TTL,
    }
  }

  /** Ends what has ended by time. Secrets outside are given back by this alone; everything else is looked at when used. */
  sweep(): Promise<void> {
    // One after another: a database that does not answer must not pile up attempts.
    this.#sweeping = this.#sweeping.then(async () => {
      await this.leases.sweep()
      await this.tokens.sweep()
    })
    return this.#sweeping
  }
}
