import type { Core } from '../core.ts'
import { notFound } from '../errors.ts'
import type { Backend, Handler } from '../routing/backend.ts'
import type { JsonObject } from '../text/json.ts'
import type { Entity } from './entities.ts'

/** `identity/`: the entities behind logins, to be read. */
export function identityBackend(core: Core): Backend {
  const show =
    (find: (entity: Entity, wanted: string) => boolean): Handler =>
    call => {
      const entity = core.entities.all().find(candidate => find(candidate, call.params.key as string))
      if (!entity) throw notFound()
      return { data: showEntity(entity) }
    }
  return {
    help: 'The identity store: who is behind the logins of all auth methods.',
    routes: [
      {
        path: 'entity/id',
        help: 'Lists the entities.',
        list: () => ({ data: { keys: core.entities.all().map(entity => entity.id) } }),
      },
      { path: 'entity/id/:key', help: 'Reads an entity by its id.', read: show((entity, id) => entity.id === id) },
      {
        path: 'entity/name',
        help: 'Lists the names of the entities.',
        list: () => ({ data: { keys: core.entities.all().map(entity => entity.name) } }),
      },
      {
        path: 'entity/name/:key',
        help: 'Reads an entity by its name.',
        read: show((entity, name) => entity.name === name),
      },
    ],
  }
}

function showEntity(entity: Entity): JsonObject {
  return {
    id: entity.id,
    name: entity.name,
    creation_time: entity.createdAt,
    disabled: false,
    metadata: entity.metadata,
    policies: [],
    aliases: entity.aliases.map(alias => ({
      id: alias.id,
      name: alias.name,
      canonical_id: entity.id,
      mount_accessor: alias.mountAccessor,
      mount_path: alias.mountPath,
      mount_type: alias.mountType,
      metadata: alias.metadata,
    })),
  }
}
