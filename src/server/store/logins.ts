import type { Secret } from '../../vault/secret.ts'

/** Who to be at the database. */
export interface Login {
  readonly user: string
  readonly password: Secret
}

/** Logins that are replaced while the server runs. */
export interface Logins {
  /** The one for new connections. Throws when there is none. */
  current(): Login
  /** Calls when there is another one; what is returned resolves when no connection of the one before is left. */
  onChange(listener: () => Promise<void>): void
  /** To be called when PostgreSQL refuses this one. Whether there is another one now. */
  refused(login: Login): Promise<boolean>
}

/** Where the database is: an address with all that is needed in it, or one without a user and logins for it. */
export type DatabaseAddress = string | { readonly url: string; readonly logins: Logins }

/** For `pg`, which takes a user from nowhere but the address when there is one. Holds the password: keep it nowhere. */
export function withLogin(url: string, { user, password }: Login): string {
  // an address with a blank in it is encoded once more by pg, and what follows with it
  const address = url.replaceAll(' ', '%20')
  const query = `user=${encodeURIComponent(user)}&password=${encodeURIComponent(password.reveal())}`
  return `${address}${address.includes('?') ? '&' : '?'}${query}`
}

/** No such user, not allowed to log in, a wrong password or one that has expired. */
export function isRefusedLogin(error: unknown): boolean {
  return ['28000', '28P01'].includes((error as { code?: string } | null)?.code ?? '')
}
