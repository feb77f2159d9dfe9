import { WritError } from '../../../protocol/errors.ts'
import { type AllowedKey, readAllowedSigners } from './allowed-signers.ts'
import { NotASignature } from './armor.ts'
import { type OpenPgpKey, readOpenPgpKeys } from './openpgp-key.ts'
import type { TrustedKey, UnusableKey } from './standing.ts'

interface KeysOfText {
  readonly openpgp: readonly OpenPgpKey[]
  readonly ssh: readonly AllowedKey[]
}

/** Of one person: all that their names own. */
export interface Person {
  /** The first of their names. */
  readonly name: string
  readonly openpgp: readonly OpenPgpKey[]
  readonly ssh: readonly AllowedKey[]
}

const TEXTS_KEPT = 1_000
const parsed = new Map<string, Promise<KeysOfText>>()

/**
 * The people behind trusted keys. Names that share a key, or a subkey, are one person. `trusted_key_invalid` if any key
 * cannot be read: the quorum would otherwise be asked of fewer people than its author meant.
 */
export async function readPeople(keys: readonly TrustedKey[]): Promise<Person[]> {
  const groups: { names: string[]; marks: Set<string>; texts: KeysOfText[] }[] = []
  for (const { name, key } of keys) {
    const text = await keysOf(name, key)
    const marks = [
      `name ${name}`,
      ...text.openpgp.flatMap(({ fingerprints }) => fingerprints.map(mark => `pgp ${mark}`)),
      ...text.ssh.map(({ key: { fingerprint } }) => `ssh ${fingerprint}`),
    ]
    const same = groups.filter(group => marks.some(mark => group.marks.has(mark)))
    const [first = { names: [], marks: new Set<string>(), texts: [] }, ...others] = same
    if (same.length === 0) groups.push(first)
    for (const other of others) {
      first.names.push(...other.names)
      first.texts.push(...other.texts)
      for (const mark of other.marks) first.marks.add(mark)
      groups.splice(groups.indexOf(other), 1)
    }
    first.names.push(name)
    first.texts.push(text)
    for (const mark of marks) first.marks.add(mark)
  }
  return groups.map(({ names, texts }) => ({
    name: names[0] as string,
    openpgp: texts.flatMap(text => text.openpgp),
    ssh: texts.flatMap(text => text.ssh),
  }))
}

/** The keys of a person with which they cannot sign at that moment, and whether any is left. */
export async function unusableKeys(person: Person, now: Date): Promise<{ unusable: UnusableKey[]; canSign: boolean }> {
  const unusable: UnusableKey[] = []
  const { name } = person
  for (const key of person.openpgp) {
    const why = await key.checkUsable(now).then(() => undefined, reason)
    if (why !== undefined) unusable.push({ name, fingerprint: key.fingerprint, why })
  }
  for (const allowed of person.ssh) {
    const why = sshUnusable(allowed, now)
    if (why !== undefined) unusable.push({ name, fingerprint: allowed.key.fingerprint, why })
  }
  return { unusable, canSign: unusable.length < person.openpgp.length + person.ssh.length }
}

export function sshUnusable({ validAfter, validBefore, forGit }: AllowedKey, now: Date): string | undefined {
  if (!forGit) return 'the key is not for git'
  if (validAfter && now < validAfter) return 'the key is not yet valid'
  return validBefore && now >= validBefore ? 'the key is expired' : undefined
}

/** What an error says, without what a stranger may have written into it. */
export function reason(error: unknown): string {
  return shown(error instanceof Error ? error.message : 'it cannot be checked')
}

function shown(text: string): string {
  return (text.split('\n')[0] as string).replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200)
}

async function keysOf(name: string, text: string): Promise<KeysOfText> {
  let found = parsed.get(text)
  if (!found) {
    found = parse(text)
    found.catch(() => undefined)
    if (parsed.size >= TEXTS_KEPT) parsed.clear()
    parsed.set(text, found)
  }
  try {
    return await found
  } catch (error) {
    throw new WritError('trusted_key_invalid', `${shown(name)}: ${reason(error)}`, { cause: error })
  }
}

async function parse(text: string): Promise<KeysOfText> {
  if (/PRIVATE KEY/.test(text)) throw new NotASignature('a private key; take it out and replace it, it is known now')
  const { keys, rest } = text.includes('-----BEGIN PGP') ? await readOpenPgpKeys(text) : { keys: [], rest: text }
  const ssh = readAllowedSigners(rest)
  if (new Set(ssh.map(({ principals }) => principals).filter(Boolean)).size > 1) {
    throw new NotASignature('several principals; make an entry for each person')
  }
  if (keys.length + ssh.length === 0) throw new NotASignature('there is no key in it')
  return { openpgp: keys, ssh }
}
