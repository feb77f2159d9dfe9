/** Vault's names of hash functions, and OpenSSL's. */
const DIGESTS: Readonly<Record<string, string>> = {
  'sha2-224': 'sha224',
  'sha2-256': 'sha256',
  'sha2-384': 'sha384',
  'sha2-512': 'sha512',
}

export function digestName(algorithm: string): string | undefined {
  return Object.hasOwn(DIGESTS, algorithm) ? DIGESTS[algorithm] : undefined
}
