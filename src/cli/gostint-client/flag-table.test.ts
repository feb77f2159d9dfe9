import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FLAGS } from './flag-table.ts'
import type { Flag } from './flags.ts'

test('the flags are those of GoStint, all of them and no others', () => {
  const names =
    'content cont-on-warnings debug entrypoint env-vars gostint-approle image image-pull-policy job-json poll-interval qname ' +
    'run run-dir secret-filetype secret-refs url vault-roleid vault-secretid vault-token vault-url wait'
  expect(Object.keys(FLAGS).sort()).toEqual(names.split(' ').sort())
})

test('docs/gostint-client.md lists them as they are', () => {
  const text = readFileSync('docs/gostint-client.md', 'utf8')
  const rows = text.match(/^\| `-.*\|$/gm)?.slice(0, Object.keys(FLAGS).length)
  expect(rows).toEqual(
    Object.entries<Flag>(FLAGS).map(([name, flag]) => {
      const fallback = flag.default === undefined ? '' : ` \`${flag.default}\``
      return `| \`-${name}\`${flag.file ? ' †' : ''} |${fallback} | ${flag.help} |`
    }),
  )
})
