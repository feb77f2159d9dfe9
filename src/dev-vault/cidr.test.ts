import { describe, expect, it } from 'vitest'
import { addressAllowed, blocksWithin, CidrError, checkBlocks, printBlock } from './cidr.ts'

describe('address blocks', () => {
  it('binds nothing without blocks', () => expect(addressAllowed('10.0.0.1', [])).toBe(true))

  it.each([
    ['127.0.0.1', '127.0.0.0/8', true],
    ['128.0.0.1', '127.0.0.0/8', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.2', '127.0.0.1/32', false],
    ['::1', '::/64', true],
    ['127.0.0.1', '::/0', false],
    ['nonsense', '0.0.0.0/0', false],
  ])('%s in %s: %s', (address, block, inside) => expect(addressAllowed(address, [block])).toBe(inside))

  it.each(['not-an-address', '1.2.3.4/33', '1.2.3.4/8/8', '1.2.3.4/-1', '1.2.3.4/', ''])('refuses %j', text => {
    expect(() => checkBlocks([text], false)).toThrow(CidrError)
  })

  it('asks for a width where Vault does', () => {
    expect(() => checkBlocks(['127.0.0.1'], true)).toThrow(CidrError)
    expect(() => checkBlocks(['127.0.0.1'], false)).not.toThrow()
  })

  it('knows a block within another', () => {
    expect(blocksWithin(['127.0.0.1/32'], ['127.0.0.0/8'])).toBe(true)
    expect(blocksWithin(['127.0.0.0/8'], ['127.0.0.1/32'])).toBe(false)
    expect(blocksWithin(['192.0.2.0/24'], ['127.0.0.0/8', '192.0.0.0/16'])).toBe(true)
  })

  it('prints a single address without its width', () => {
    expect(['127.0.0.1/32', '127.0.0.0/8', '::1/128'].map(printBlock)).toEqual(['127.0.0.1', '127.0.0.0/8', '::1'])
  })
})
