import { WritError } from '../../../protocol/errors.ts'
import type { Limits } from './options.ts'

export function tooLarge({ treeBytes }: Limits): WritError {
  return new WritError('tree_too_large', `more than ${treeBytes} bytes`)
}
