import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { lookupSelf } from '../../vault/token.ts'
import { endUnwantedToken } from './unwanted-token.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

test('a token of a job that was not accepted ends, also when Vault is sealed at that moment', async () => {
  const token = await t.stack.token({ policies: ['default'] })
  t.stack.dev.seal()
  await endUnwantedToken(t.engine, token)
  t.stack.dev.unseal()
  const state = () =>
    lookupSelf(t.stack.vault, token).then(
      () => 'lives',
      error => error.kind,
    )
  await expect.poll(state, { timeout: 10_000 }).toBe('denied')
  expect(t.log.join('')).not.toContain(token.reveal())
})

test('at once when Vault is there', async () => {
  const token = await t.stack.token({ policies: ['default'] })
  await endUnwantedToken(t.engine, token)
  await expect(lookupSelf(t.stack.vault, token)).rejects.toMatchObject({ kind: 'denied' })
})
