import { expect, test } from 'vitest'
import { readGoFlags } from './go-flags.ts'

const read = (...args: string[]) => Object.fromEntries(readGoFlags(args, new Set(['host-check'])))

test.each([
  [['-listen', ':1'], { listen: ':1' }],
  [['--listen', ':1'], { listen: ':1' }],
  [['-listen=:1'], { listen: ':1' }],
  [['--mesos=zk://a,b/m', '-provider', 'mesos'], { mesos: 'zk://a,b/m', provider: 'mesos' }],
  [['-vault-token=a=b'], { 'vault-token': 'a=b' }],
  [['-cubby-path='], { 'cubby-path': '' }],
  [['-host-check', '-listen', ':1'], { 'host-check': 'true', listen: ':1' }],
  [['-host-check=false'], { 'host-check': 'false' }],
  [['-listen', ':1', '-listen', ':2'], { listen: ':2' }],
])('%j', (args, expected) => expect(read(...args)).toEqual(expected))

test.each([[['x']], [['-']], [['---x']], [['-listen']], [['-listen', ':1', 'canary']]])('%j is refused', args => {
  expect(() => read(...args)).toThrowError(expect.objectContaining({ name: 'UsageError' }))
  expect(() => read(...args)).not.toThrow('canary')
})
