import { randomBytes } from 'node:crypto'

/** The name says which process made the database, so that a later run can tell what a killed run left. */
export const databaseName = () => `t_${process.pid}_${randomBytes(6).toString('hex')}`

/** The process that made a database of this name, if it is one of ours. */
export function ownerOf(name: string): number | undefined {
  const pid = /^t_(\d+)_[0-9a-f]{12}$/.exec(name)?.[1]
  return pid === undefined ? undefined : Number(pid)
}
