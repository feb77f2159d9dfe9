/** The embedded database cannot be used here. The message says why and what to do; it is meant for whoever starts writ. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError'
}

/** The way out that always works. */
export const USE_DATABASE_URL = 'Set DATABASE_URL to a PostgreSQL 15-18 of your own'

/** The code of a system or database error ('ENOENT', '57P03'), if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
