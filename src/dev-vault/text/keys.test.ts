import { expect, it } from 'vitest'
import { keysBelow } from './keys.ts'

const keys = ['b', 'a', 'd', 'd/e/f', 'd/e/g', 'dd/x']

it.each([
  ['', ['a', 'b', 'd', 'd/', 'dd/']],
  ['d', ['e/']],
  ['d/', ['e/']],
  ['d/e', ['f', 'g']],
  ['a', []],
  ['none', []],
])('below %j is %j', (prefix, below) => expect(keysBelow(keys, prefix)).toEqual(below))
