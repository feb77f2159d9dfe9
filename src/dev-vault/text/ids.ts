import { randomBytes, randomUUID } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Random letters and digits, without the bias of a plain modulo: bytes above the last full alphabet are thrown away. */
export function randomText(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length * 2)) {
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62]
    }
  }
  return text
}

export const serviceTokenId = (): string => `s.${randomText(24)}`
export const batchTokenId = (): string => `b.${randomText(80)}`
export const accessorId = (): string => randomText(24)
export const uuid = (): string => randomUUID()

/** The accessor of a mount: `kv_1a2b3c4d`. */
export const mountAccessor = (type: string): string => `${type}_${randomBytes(4).toString('hex')}`
