/** Text that is not padded standard base64. */
export class Base64Error extends Error {}

/**
 * Decodes as strictly as Go does: `Buffer.from` alone skips what it does not know, so a damaged ciphertext would come out as
 * another one. @throws Base64Error
 */
export function decodeBase64(text: string): Buffer {
  const clean = text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]/g, '') : text
  const illegal = clean.search(/[^A-Za-z0-9+/](?!=?$)|[^A-Za-z0-9+/=]/)
  if (illegal >= 0) throw new Base64Error(`illegal base64 data at input byte ${illegal}`)
  if (clean.length % 4 !== 0 || clean.startsWith('=')) {
    throw new Base64Error(`illegal base64 data at input byte ${Math.max(0, clean.length - (clean.length % 4))}`)
  }
  return Buffer.from(clean, 'base64')
}
