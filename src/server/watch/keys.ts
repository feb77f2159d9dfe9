import { refused } from './fields.ts'
import { readPeople } from './signatures/keyring.ts'

/** Reads a key before it is trusted, and answers its fingerprints. Throws `watch_field_invalid`, `trusted_key_invalid`. */
export async function checkTrustedKey(name: string, key: string): Promise<string[]> {
  if (key.trim() === '') throw refused('"public_key" is missing')
  const [person] = await readPeople([{ name, key }])
  const fingerprints = [
    ...(person?.openpgp ?? []).flatMap(one => one.fingerprints),
    ...(person?.ssh ?? []).map(one => one.key.fingerprint),
  ]
  if (fingerprints.length === 0) throw refused('"public_key" holds no key')
  return fingerprints
}
