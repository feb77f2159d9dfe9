import { BlockList, isIP } from 'node:net'

/** Text that is no address block. */
export class CidrError extends Error {}

interface Block {
  readonly address: string
  readonly bits: number
  readonly family: 'ipv4' | 'ipv6'
}

function parse(text: string): Block {
  const [address = '', bits, ...more] = text.trim().split('/')
  const version = isIP(address)
  const full = version === 6 ? 128 : 32
  const width = bits === undefined ? full : Number(bits)
  if (version === 0 || more.length > 0 || !/^\d{1,3}$/.test(bits ?? '0') || width > full) {
    throw new CidrError(`invalid CIDR address: ${text}`)
  }
  return { address, bits: width, family: version === 6 ? 'ipv6' : 'ipv4' }
}

function contains(block: Block, address: string): boolean {
  const list = new BlockList()
  list.addSubnet(block.address, block.bits, block.family)
  // A BlockList alone finds IPv4 addresses in ::/0 too.
  return isIP(address) === (block.family === 'ipv6' ? 6 : 4) && list.check(address, block.family)
}

/** @throws CidrError when one of the texts is no block */
export function checkBlocks(blocks: readonly string[], needBits: boolean): void {
  for (const block of blocks) {
    parse(block)
    if (needBits && !block.includes('/')) throw new CidrError(`invalid CIDR address: ${block}`)
  }
}

/** Is the address within one of the blocks? No blocks at all bind nothing. */
export function addressAllowed(address: string, blocks: readonly string[]): boolean {
  return blocks.length === 0 || blocks.map(parse).some(block => contains(block, address))
}

/** Does each inner block lie within one of the outer ones? */
export function blocksWithin(inner: readonly string[], outer: readonly string[]): boolean {
  if (outer.length === 0) return true
  const around = outer.map(parse)
  return inner.map(parse).every(block => around.some(wide => wide.bits <= block.bits && contains(wide, block.address)))
}

/** How Vault prints a bound block: a single address without its width. */
export function printBlock(text: string): string {
  const block = parse(text)
  return block.bits === (block.family === 'ipv6' ? 128 : 32) ? block.address : `${block.address}/${block.bits}`
}
