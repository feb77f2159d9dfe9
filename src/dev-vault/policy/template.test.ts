import { expect, it } from 'vitest'
import type { Entity } from '../identity/entities.ts'
import { fillTemplate } from './template.ts'

const entity: Entity = {
  id: 'e-1',
  name: 'ann',
  metadata: { team: 'red' },
  createdAt: '',
  revision: 0,
  aliases: [
    {
      id: 'a-1',
      name: 'ann@x',
      mountAccessor: 'auth_1',
      mountPath: '',
      mountType: '',
      metadata: { role: 'dev', odd: '*' },
    },
  ],
}

it.each([
  ['a/{{identity.entity.id}}/*', 'a/e-1/*'],
  ['a/{{ identity.entity.name }}', 'a/ann'],
  ['{{identity.entity.metadata.team}}', 'red'],
  ['{{identity.entity.aliases.auth_1.name}}/{{identity.entity.aliases.auth_1.id}}', 'ann@x/a-1'],
  ['{{identity.entity.aliases.auth_1.metadata.role}}', 'dev'],
])('%s becomes %s', (path, filled) => expect(fillTemplate(path, entity)).toBe(filled))

it.each([
  '{{identity.entity.metadata.none}}',
  '{{identity.entity.metadata.constructor}}',
  '{{identity.entity.aliases.auth_2.name}}',
  '{{something.else}}',
  '{{}}',
  '{{identity.entity.id',
])('%s has no value', path => expect(fillTemplate(path, entity)).toBeUndefined())

it('does not let a value widen the rule', () => {
  expect(fillTemplate('x/{{identity.entity.aliases.auth_1.metadata.odd}}', entity)).toBeUndefined()
})

it('fills in nothing without an entity', () =>
  expect(fillTemplate('{{identity.entity.id}}', undefined)).toBeUndefined())
