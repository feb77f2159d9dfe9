import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { RequestError } from '../client/error.ts'
import { WritError } from '../protocol/errors.ts'
import { VaultError } from '../vault/error.ts'
import { reportFailure, UsageError } from './failure.ts'

const EVIL = '\u001b[2J\u001b]0;x\u0007\u009b1A\rwrit: \nnext: x'

test.each([
  ['a courier', RequestError.from(400, { error: EVIL, code: EVIL, remedy: EVIL })],
  ['who answers for Vault', new VaultError({ status: 400, path: 'x', errors: [EVIL] })],
  ['who answers with a plan', new WritError('plan_not_trusted', EVIL)],
])('what %s says does not move the cursor and adds no line', async (_, error) => {
  const err = new PassThrough()
  reportFailure(error, err)
  const said = await text(err.end())
  expect(said.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
  expect(said).toMatch(/^writ: .*\n(next: .*\n)?$/)
})

test('our own words may be several lines', async () => {
  const err = new PassThrough()
  expect(reportFailure(new UsageError('one\ntwo', 'three'), err)).toBe(2)
  expect(await text(err.end())).toBe('writ: one\ntwo\nnext: three\n')
})
