import { beforeEach, describe, expect, it } from 'vitest'
import { Clock } from '../clock.ts'
import type { Mount } from '../routing/backend.ts'
import type { JsonObject } from '../text/json.ts'
import type { TokenEntry } from '../tokens/entry.ts'
import { Tokens } from '../tokens/tokens.ts'
import { Leases } from './leases.ts'

let clock: Clock
let leases: Leases
let tokens: Tokens
let revoked: unknown[]
let broken: boolean
let mount: Mount
beforeEach(() => {
  clock = new Clock(() => 0)
  leases = new Leases(clock)
  tokens = new Tokens(clock, leases)
  revoked = []
  broken = false
  const revokeSecret = async (internal: JsonObject) => {
    await Promise.resolve()
    if (broken) throw new Error('the database is away')
    revoked.push(internal.name)
  }
  mount = { path: 'db/', backend: { help: '', routes: [], revokeSecret } } as unknown as Mount
})

const token = () => tokens.create({ policies: [], path: 'auth/token/create', ttl: 0 })
const lease = (name: string, owner: TokenEntry = token()) =>
  leases.register('db/creds/app', mount, owner, { ttl: 10, maxTtl: 0, internal: { name } })

describe('a lease', () => {
  it('is given back by request, once', async () => {
    const found = lease('a')
    await leases.revoke(found)
    await leases.revoke(found)
    expect(revoked).toEqual(['a'])
    expect(leases.find(found.id)).toBeUndefined()
  })

  it('is given back with its token', async () => {
    const owner = token()
    lease('a', owner)
    lease('b', owner)
    lease('c')
    await tokens.revoke(owner)
    expect(revoked).toEqual(['a', 'b'])
  })

  it('is given back by time', async () => {
    const found = lease('a')
    clock.advance(9999)
    await leases.sweep()
    expect(leases.find(found.id)).toBe(found)
    clock.advance(1)
    expect(leases.find(found.id)).toBeUndefined()
    expect(revoked).toEqual([])
    await leases.sweep()
    expect(revoked).toEqual(['a'])
  })

  it('is tried again when it cannot be given back, and counts for nothing until then', async () => {
    const found = lease('a')
    broken = true
    await tokens.revoke(found.token)
    expect(leases.find(found.id)).toBeUndefined()
    broken = false
    await leases.sweep()
    expect(revoked).toEqual(['a'])
    await leases.sweep()
    expect(revoked).toEqual(['a'])
  })

  it('is still there when a request to give it back fails', async () => {
    const found = lease('a')
    broken = true
    await expect(leases.revoke(found)).rejects.toThrow('away')
    expect(leases.find(found.id)).toBe(found)
  })
})
