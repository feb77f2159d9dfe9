import { WritError } from '../../../protocol/errors.ts'

/** 40 hexadecimal digits, small letters. */
export type ObjectId = string

export function isObjectId(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text)
}

/** Only a whole id: an abbreviation can mean another object tomorrow, and a name anything. `commit_unknown` otherwise. */
export function checkedId(text: string): ObjectId {
  if (!isObjectId(text)) throw new WritError('commit_unknown', 'it is not an id of 40 hexadecimal digits')
  return text
}
