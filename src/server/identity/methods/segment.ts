import { VaultError } from '../../../vault/error.ts'

/** A name that a caller sends and that becomes one segment of a path: with a slash in it, it would be several. */
export function oneSegment(name: string): string {
  if (/^[^/\p{C}]{1,256}$/u.test(name) && !/^\.+$/.test(name)) return name
  throw new VaultError({ status: 400, path: 'auth', errors: ['not a name'] })
}
