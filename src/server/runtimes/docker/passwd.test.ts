import { expect, test } from 'vitest'
import { withJobUser } from './passwd.ts'

const USER = 'gostint:x:2001:2001:gostint:/tmp:/bin/sh\n'

test.each([
  ['none', '', USER],
  ['one', 'root:x:0:0::/:/bin/sh\n', `root:x:0:0::/:/bin/sh\n${USER}`],
  ['one whose last line is unfinished', 'root:x:0:0::/:/bin/sh', `root:x:0:0::/:/bin/sh\n${USER}`],
  ['one that has the user', `root:x:0:0::/:/bin/sh\n${USER}`, `root:x:0:0::/:/bin/sh\n${USER}`],
  ['one with nothing else', USER, USER],
])('to %s', (_, before, after) => {
  expect(withJobUser(before)).toBe(after)
})
