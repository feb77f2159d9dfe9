import { afterAll, describe, expect, test } from 'vitest'
import { SshKeys } from '../../../../test/repositories/ssh-keys.ts'
import { readAllowedSigners } from './allowed-signers.ts'
import { NotASignature } from './armor.ts'
import { sshUnusable } from './keyring.ts'

const ssh = new SshKeys()
ssh.generate('sam')
const KEY = ssh.publicKey('sam')
afterAll(() => ssh.close())

const read = (front: string) => readAllowedSigners(`${front} ${KEY}`)

describe('what is not understood is refused, for it may be what limits the key', () => {
  test.each([
    ['an option nobody knows', 'sam surprise="yes"'],
    ['an option nobody knows, without a value', 'sam no-touch-required'],
    ['a certificate authority', 'sam cert-authority'],
    ['an option without its value', 'sam valid-before'],
    ['an option in capitals', 'sam VALID-BEFORE="20200101"'],
    ['an option with more behind it', 'sam namespaces="git"x'],
    ['an option with two values', 'sam valid-after="20200101""20400101"'],
    ['an option that goes on', 'sam namespaces="git"valid-before="20200101"'],
    ['an option twice', 'sam valid-before="20990101",valid-before="20200101"'],
    ['an option without principals', 'namespaces="file"'],
    ['principals in quotes', '"sam"'],
    ['a word more', 'sam namespaces="git" valid-before="20200101"'],
    ['a pattern as principal', 'sam*'],
    ['a pattern of one letter', 'sa?'],
    ['a negation', '!sam'],
    ['a pattern of namespaces', 'sam namespaces="gi*"'],
    ['a negated namespace', 'sam namespaces="*,!git"'],
    ['a date that is none', 'sam valid-before="tomorrow"'],
    ['a day that is none', 'sam valid-before="20201301"'],
    ['a date with more behind it', 'sam valid-before="20200101Zx"'],
    ['a date with more in front', 'sam valid-before="x20200101"'],
    ['an empty date', 'sam valid-before=""'],
  ])('%s', (_, front) => {
    expect(() => read(front)).toThrow(NotASignature)
  })

  test('a line without a key, and a kind that is not what the line says', () => {
    expect(() => readAllowedSigners('sam')).toThrow('a line without a public ssh key')
    expect(() => readAllowedSigners(`${KEY}\nsam`)).toThrow('a line without a public ssh key')
    expect(() => readAllowedSigners(KEY.replace('ssh-ed25519', 'ssh-rsa'))).toThrow(NotASignature)
  })
})

test.each([
  ['git', true],
  ['file, git', true],
  ['*', true],
  ['file', false],
  ['gitea', false],
  ['GIT', false],
  ['', false],
])('a key for the namespaces %j', (namespaces, forGit) => {
  expect(read(`sam namespaces="${namespaces}"`)).toMatchObject([{ forGit }])
})

test('a key is valid from its beginning on, and not any more at its end', () => {
  const [key] = read('sam valid-after="20250101",valid-before="202601011200"')
  if (!key) throw new Error('no key')
  const at = (time: string) => sshUnusable(key, new Date(time))
  expect(at('2024-12-31T23:59:59.999Z')).toBe('the key is not yet valid')
  expect(at('2025-01-01T00:00:00Z')).toBe(undefined)
  expect(at('2026-01-01T11:59:59.999Z')).toBe(undefined)
  expect(at('2026-01-01T12:00:00Z')).toBe('the key is expired')
  expect(at('2030-01-01T00:00:00Z')).toBe('the key is expired')
})
