import { beforeEach, describe, expect, it } from 'vitest'
import { Clock } from '../clock.ts'
import { Leases } from '../leases/leases.ts'
import type { TokenEntry } from './entry.ts'
import { Tokens } from './tokens.ts'

let clock: Clock
let tokens: Tokens
beforeEach(() => {
  clock = new Clock(() => 1_000_000)
  tokens = new Tokens(clock, new Leases(clock))
})

const create = (ttl: number, parent?: TokenEntry) =>
  tokens.create({ policies: ['default'], path: 'auth/token/create', ttl, parent })

describe('the end of a token', () => {
  it('is the end of its line, however long that is', async () => {
    const first = create(0)
    let last = first
    for (let i = 0; i < 50_000; i++) last = create(0, last)
    expect(tokens.find(last.id)).toBe(last)
    await tokens.revoke(first)
    expect(tokens.find(last.id)).toBeUndefined()
    expect(tokens.all()).toEqual([])
  })

  it('leaves children alone when it is told to', async () => {
    const parent = create(0)
    const child = create(0, parent)
    const grandchild = create(0, child)
    await tokens.revokeOrphan(parent)
    expect(tokens.find(child.id)?.parent).toBeUndefined()
    expect(tokens.find(grandchild.id)?.parent).toBe(child)
  })

  it('comes with time, and with the time of a parent', () => {
    const parent = create(10)
    const child = create(100, parent)
    clock.advance(9999)
    expect(tokens.find(child.id)).toBe(child)
    clock.advance(1)
    expect(tokens.find(child.id)).toBeUndefined()
    expect(tokens.byAccessor(child.accessor)).toBeUndefined()
    expect(tokens.accessors()).toEqual([])
  })

  it('is put off by renewal', async () => {
    const token = create(10)
    clock.advance(5000)
    tokens.renew(token, 10)
    clock.advance(6000)
    await tokens.sweep()
    expect(tokens.find(token.id)).toBe(token)
  })

  it('takes the cubbyhole along', async () => {
    const token = create(0)
    token.cubbyhole = new Map([['a', { secret: 1 }]])
    await tokens.revoke(token)
    expect(token.cubbyhole).toBeUndefined()
  })
})

describe('the sweep', () => {
  it('removes what has ended, with what hangs on it, and nothing else', async () => {
    const ended = create(10)
    const child = create(0, ended)
    const other = create(20)
    clock.advance(10_000)
    await tokens.sweep()
    expect([ended.alive, child.alive, other.alive]).toEqual([false, false, true])
    clock.advance(10_000)
    await tokens.sweep()
    expect(other.alive).toBe(false)
  })
})

it('counts uses down to the last', () => {
  const token = tokens.create({ policies: [], path: 'p', ttl: 0, numUses: 2 })
  expect([tokens.use(token), token.numUses, tokens.use(token), token.numUses]).toEqual([false, 1, true, -1])
  expect(tokens.use(create(0))).toBe(false)
})
