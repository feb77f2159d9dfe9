import { randomBytes } from 'node:crypto'
import { rfc3339 } from '../clock.ts'
import type { Mount } from '../routing/backend.ts'
import { uuid } from '../text/ids.ts'

/** A name under which an auth mount knows an entity. */
interface Alias {
  readonly id: string
  readonly name: string
  readonly mountAccessor: string
  readonly mountPath: string
  readonly mountType: string
  metadata: Readonly<Record<string, string>>
}

/** Somebody who logs in, whatever the tokens. */
export interface Entity {
  readonly id: string
  readonly name: string
  readonly metadata: Readonly<Record<string, string>>
  readonly aliases: Alias[]
  /** Goes up when something changes that policies may be filled in from. */
  revision: number
  readonly createdAt: string
}

/** Entities are made by the first login under an alias and found again by later ones. */
export class Entities {
  readonly #byId = new Map<string, Entity>()
  readonly #byAlias = new Map<string, Entity>()

  get(id: string): Entity | undefined {
    return this.#byId.get(id)
  }

  all(): Entity[] {
    return [...this.#byId.values()]
  }

  /** The entity behind a login, made when it is the first. */
  login(mount: Mount, name: string, metadata: Readonly<Record<string, string>>, now: number): Entity {
    const key = `${mount.accessor}\n${name}`
    const known = this.#byAlias.get(key)
    if (known) {
      for (const alias of known.aliases) if (alias.mountAccessor === mount.accessor) alias.metadata = metadata
      known.revision++
      return known
    }
    const alias: Alias = {
      id: uuid(),
      name,
      mountAccessor: mount.accessor,
      mountPath: mount.path,
      mountType: mount.type,
      metadata,
    }
    const entity: Entity = {
      id: uuid(),
      name: `entity_${randomBytes(4).toString('hex')}`,
      metadata: {},
      aliases: [alias],
      revision: 0,
      createdAt: rfc3339(now),
    }
    this.#byId.set(entity.id, entity)
    this.#byAlias.set(key, entity)
    return entity
  }
}
