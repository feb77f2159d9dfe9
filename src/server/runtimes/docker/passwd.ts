import { JOB_USER } from './gate.ts'

const USER = `gostint:x:${JOB_USER}:${JOB_USER}:gostint:/tmp:/bin/sh\n`

/**
 * `/etc/passwd` with the job's user in it (gostint.md §9.3). Images may have none, or one whose last line is
 * unfinished.
 */
export function withJobUser(passwd: string): string {
  const lines = passwd === '' || passwd.endsWith('\n') ? passwd : `${passwd}\n`
  return lines.includes(`\n${USER}`) || lines.startsWith(USER) ? lines : lines + USER
}
