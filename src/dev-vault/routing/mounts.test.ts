import { beforeEach, expect, it } from 'vitest'
import type { Mount } from './backend.ts'
import { MountTable } from './mounts.ts'

let table: MountTable
beforeEach(() => {
  table = new MountTable()
  for (const path of ['kv/', 'deep/er/', 'auth/token/']) table.add({ path } as Mount)
})

it.each([
  ['kv/a/b', 'kv/', 'a/b'],
  ['kv/', 'kv/', ''],
  ['kv', 'kv/', ''],
  ['deep/er/x', 'deep/er/', 'x'],
  ['auth/token/lookup-self', 'auth/token/', 'lookup-self'],
])('%s is served by %s', (path, mount, rest) => {
  expect(table.resolve(path)).toEqual({ mount: { path: mount }, rest })
})

it.each(['', 'k', 'kvx/a', 'deep/x', 'deep', 'auth/tokens/x', 'constructor/x'])('%j is served by none', path => {
  expect(table.resolve(path)).toBeUndefined()
})

it('knows what a new mount would overlap', () => {
  expect([table.conflict('kv/below/')?.path, table.conflict('deep/')?.path, table.conflict('kvx/')?.path]).toEqual([
    ...['kv/', 'deep/er/'],
    undefined,
  ])
})

it('moves a mount', () => {
  table.move(table.get('kv/') as Mount, 'new/place/')
  expect(table.resolve('kv/a')).toBeUndefined()
  expect(table.resolve('new/place/a')?.rest).toBe('a')
})
