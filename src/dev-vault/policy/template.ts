import type { Entity } from '../identity/entities.ts'

const TEMPLATE = /\{\{\s*([^{}]*?)\s*\}\}/g

export function isTemplated(path: string): boolean {
  return path.includes('{{')
}

/** The path with its templates filled in from the entity; nothing when one of them has no value for it. */
export function fillTemplate(path: string, entity: Entity | undefined): string | undefined {
  let complete = true
  const filled = path.replace(TEMPLATE, (_, name: string) => {
    const value = entity && lookUp(name, entity)
    // A value with a wildcard or a slash in it would widen the rule it is put into.
    if (value === undefined || value === '' || /[*+/{}]/.test(value)) complete = false
    return value ?? ''
  })
  return complete && !isTemplated(filled) ? filled : undefined
}

function lookUp(name: string, entity: Entity): string | undefined {
  if (name === 'identity.entity.id') return entity.id
  if (name === 'identity.entity.name') return entity.name
  const metadata = /^identity\.entity\.metadata\.(.+)$/.exec(name)
  if (metadata) return own(entity.metadata, metadata[1])
  const ofAlias = /^identity\.entity\.aliases\.([^.]+)\.(id|name|metadata\.(.+))$/.exec(name)
  const alias = entity.aliases.find(({ mountAccessor }) => mountAccessor === ofAlias?.[1])
  if (!ofAlias || !alias) return undefined
  if (ofAlias[2] === 'id') return alias.id
  return ofAlias[2] === 'name' ? alias.name : own(alias.metadata, ofAlias[3])
}

function own(record: Readonly<Record<string, string>>, key: string | undefined): string | undefined {
  return key !== undefined && Object.hasOwn(record, key) ? record[key] : undefined
}
