import { afterAll, describe, expect, test } from 'vitest'
import { armored, GpgHome } from '../../../../test/repositories/gpg-home.ts'
import { NotASignature } from './armor.ts'
import { readOpenPgpKeys } from './openpgp-key.ts'
import { findRevocations } from './openpgp-revocations.ts'

const gpg = new GpgHome()
/** A revocation by it is one that the library skips. */
const SHA1 = ['--cert-digest-algo', 'SHA1']
afterAll(() => gpg.close())

const usable = async (text: string) => {
  const { keys } = await readOpenPgpKeys(text)
  const states = keys.map(key => key.checkUsable(new Date()).then(() => 'usable', String))
  return await Promise.all(states)
}

test('of several keys in one block, the revoked one is', async () => {
  for (const name of ['one', 'two', 'three']) gpg.generate(name)
  gpg.edit('two', ['revkey', 'y', '0', '', 'y', 'save'], undefined, SHA1)
  const block = (...names: string[]) =>
    gpg.run(['--armor', '--export', ...names.map(name => gpg.fingerprint(name))]).toString()
  const { keys } = await readOpenPgpKeys(block('one', 'two', 'three'))
  expect(keys.length).toBe(3)
  for (const key of keys) {
    const revoked = key.fingerprint === gpg.fingerprint('two')
    if (revoked) await expect(key.checkUsable(new Date())).rejects.toThrow('the key is revoked')
    else await expect(key.checkUsable(new Date())).resolves.toBe(undefined)
  }
  expect(await usable(block('one') + block('two'))).toEqual(['usable', expect.stringContaining('the key is revoked')])
})

test('of two subkeys, the one that is not revoked goes on; of both, none', async () => {
  gpg.generate('subs', 'ed25519', { usage: 'cert', at: '20250101T000000' })
  gpg.addSubkey('subs', 'ed25519', { at: '20250101T000000' })
  gpg.addSubkey('subs', 'ed25519', { at: '20250601T000000' })
  const revoke = (which: number) =>
    gpg.edit('subs', [`key ${which}`, 'revkey', 'y', 'y', '0', '', 'y', 'save'], undefined, SHA1)
  revoke(2)
  expect(await usable(gpg.export('subs'))).toEqual(['usable'])
  const [key] = (await readOpenPgpKeys(gpg.export('subs'))).keys
  const [first, second] = key?.key.subkeys.map(subkey => subkey.getKeyID()) ?? []
  await expect(key?.checkUsable(new Date(), first)).resolves.toBe(undefined)
  await expect(key?.checkUsable(new Date(), second)).rejects.toThrow('the subkey is revoked')
  revoke(1)
  expect(await usable(gpg.export('subs'))).toEqual([expect.stringContaining('the subkey is revoked')])
})

test('a curve that is left to the library: refused wherever it is in a key', async () => {
  gpg.generate('k1', 'secp256k1')
  gpg.generate('k1-sub')
  gpg.run(['--quick-add-key', gpg.fingerprint('k1-sub'), 'secp256k1', 'encrypt'])
  for (const name of ['k1', 'k1-sub'])
    expect(await usable(gpg.export(name))).toEqual([expect.stringContaining('a curve that is not accepted')])
})

test('a private key under the armour of a public one, and other blocks, are refused', async () => {
  gpg.generate('secret')
  const secret = gpg.exportSecret('secret')
  await expect(readOpenPgpKeys(secret)).rejects.toThrow('a private key')
  const hidden = secret.replaceAll('PRIVATE KEY BLOCK', 'PUBLIC KEY BLOCK')
  await expect(readOpenPgpKeys(hidden)).rejects.toThrow()
  const signature = armored(gpg.sign('secret', 'x'))
  await expect(readOpenPgpKeys(signature)).rejects.toThrow('no public key')
  await expect(readOpenPgpKeys(`${gpg.export('secret')}${signature}`)).rejects.toThrow('no public key')
})

test('a block with a key that the library leaves out is refused: whose revocation would be whose?', async () => {
  gpg.generate('beside')
  const key = gpg.run(['--export', gpg.fingerprint('beside')])
  // of version 3
  const unknown = Buffer.from([0xc6, 12, 3, 0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0])
  const block = (...parts: readonly Buffer[]) => armored(Buffer.concat(parts), 'PGP PUBLIC KEY BLOCK')
  expect(await usable(block(key))).toEqual(['usable'])
  for (const parts of [
    [key, unknown],
    [unknown, key],
  ])
    await expect(readOpenPgpKeys(block(...parts))).rejects.toThrow('not all keys of it can be read')
})

describe('revocations', () => {
  const packet = (tag: number, ...body: readonly number[]) => Buffer.from([0xc0 | tag, body.length, ...body])
  const [PRIMARY, SUBKEY] = [packet(6, 4), packet(14, 4)]
  const signature = (type: number) => packet(2, 4, type)
  /** Of version 3, whose type is a byte later: RFC 4880 §5.2.2. */
  const old = (type: number) => packet(2, 3, 5, type)
  const found = (...parts: readonly Buffer[]) =>
    findRevocations(Buffer.concat(parts)).map(({ primary, subkeys }) => [primary, [...subkeys]])

  test('are known by their place', () => {
    expect(found(PRIMARY, signature(0x13), SUBKEY, signature(0x18))).toEqual([[false, []]])
    expect(found(PRIMARY, signature(0x20), SUBKEY, signature(0x18))).toEqual([[true, []]])
    expect(found(PRIMARY, SUBKEY, signature(0x18), SUBKEY, signature(0x28))).toEqual([[false, [1]]])
    expect(found(PRIMARY, SUBKEY, signature(0x28), SUBKEY, signature(0x28))).toEqual([[false, [0, 1]]])
    // wherever it stands, it is of the whole key
    expect(found(PRIMARY, SUBKEY, signature(0x20))).toEqual([[true, []]])
    // of a subkey, where there is none yet
    expect(found(PRIMARY, signature(0x28), SUBKEY)).toEqual([[true, []]])
  })

  test('of version 3', () => {
    expect(found(PRIMARY, old(0x20))).toEqual([[true, []]])
    expect(found(PRIMARY, SUBKEY, old(0x28))).toEqual([[false, [0]]])
    expect(found(PRIMARY, packet(2, 3, 0x20, 0x13))).toEqual([[false, []]])
  })

  test('of the next key are counted anew', () => {
    expect(found(PRIMARY, SUBKEY, PRIMARY, SUBKEY, signature(0x28))).toEqual([
      [false, []],
      [false, [0]],
    ])
    expect(found(PRIMARY, SUBKEY, PRIMARY, signature(0x28))).toEqual([
      [false, []],
      [true, []],
    ])
  })

  test('behind a packet of any length', () => {
    const long = (...head: readonly number[]) => Buffer.concat([Buffer.from(head), Buffer.alloc(300)])
    const user = [long(0xcd, 192, 108), long(0xcd, 255, 0, 0, 1, 44), long(0xb5, 1, 44), long(0xb6, 0, 0, 1, 44)]
    for (const name of user) expect(found(PRIMARY, name, signature(0x20))).toEqual([[true, []]])
    expect(found(Buffer.from([0x98, 1, 4]), Buffer.from([0x88, 2, 4, 0x20]))).toEqual([[true, []]])
  })

  test.each([
    ['no packet', [0x18, 1, 4]],
    ['a packet without a length', [0x9b, 4]],
    ['a packet in pieces', [0xc6, 0xe1, 4, 4]],
    ['a packet longer than all', [0xc6, 2, 4]],
    ['a length that is cut off', [0xc6]],
    ['a long length that is cut off', [0xc6, 255, 0, 0, 0]],
    ['an old length that is cut off', [0x99, 0]],
  ])('%s: nothing is known then, and so nothing is trusted', (_, bytes) => {
    expect(() => found(PRIMARY, Buffer.from(bytes))).toThrow(NotASignature)
  })
})
