import { randomText } from '../../text/ids.ts'

/** `v-token-app-…`: who it is for can be read in the database; at most the 63 characters of a PostgreSQL name. */
export function loginName(displayName: string, role: string, now: number): string {
  const short = (text: string) => text.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 8)
  return `v-${short(displayName)}-${short(role)}-${randomText(20)}-${Math.trunc(now / 1000)}`
}

/** Without a character that SQL or a URL would read as anything but itself. */
export function newPassword(): string {
  return `${randomText(10)}-${randomText(9)}`
}
