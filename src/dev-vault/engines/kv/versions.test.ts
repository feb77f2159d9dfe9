import { beforeEach, describe, expect, it } from 'vitest'
import { Clock } from '../../clock.ts'
import { NO_LIMITS, type VersionedKey, VersionedStore } from './versions.ts'

let clock: Clock
let store: VersionedStore
beforeEach(() => {
  clock = new Clock(() => 0)
  store = new VersionedStore(clock)
})

const write = (count: number) => {
  for (let i = 0; i < count; i++) store.write('k', { i })
  return store.get('k') as VersionedKey
}

describe('versions', () => {
  it('are ten unless the key or else the mount says otherwise', () => {
    expect([...write(12).versions.keys()]).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    store.limits = { ...NO_LIMITS, maxVersions: 3 }
    expect([...write(1).versions.keys()]).toEqual([11, 12, 13])
    store.setLimits('k', { ...NO_LIMITS, maxVersions: 2 })
    const key = write(1)
    expect([[...key.versions.keys()], key.oldest, key.current]).toEqual([[13, 14], 13, 14])
  })

  it('check and set names the version before, deleted ones included', () => {
    expect(() => store.write('k', {}, 1)).toThrow(/did not match/)
    store.write('k', {}, 0)
    const key = store.get('k') as VersionedKey
    store.remove(key, [1])
    expect(() => store.write('k', {}, 0)).toThrow(/did not match/)
    expect(store.write('k', {}, 1)).toBe(2)
  })

  it('can be made to need it, by the key or by the mount', () => {
    store.setLimits('k', { ...NO_LIMITS, casRequired: true })
    expect(() => store.write('k', {})).toThrow(/required/)
    store.limits = { ...NO_LIMITS, casRequired: true }
    expect(() => store.write('other', {})).toThrow(/required/)
    expect(store.get('other')).toBeUndefined()
  })

  it('delete themselves after the shorter of two times', () => {
    store.limits = { ...NO_LIMITS, deleteVersionAfter: 10 }
    store.setLimits('k', { ...NO_LIMITS, deleteVersionAfter: 5 })
    const version = write(1).versions.get(1) as Parameters<VersionedStore['gone']>[0]
    clock.advance(4999)
    expect(store.gone(version)).toBe(false)
    clock.advance(1)
    expect(store.gone(version)).toBe(true)
  })

  it('that are destroyed have no data and do not come back', () => {
    const key = write(1)
    store.destroy(key, [1])
    store.undelete(key, [1])
    expect(key.versions.get(1)).toMatchObject({ data: null, destroyed: true })
  })
})
