import { inspect } from 'node:util'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Secret } from './secret.ts'

const value = 'canary-8f14e45f'
const secret = new Secret(value)

test('reveal is the only way to the value', () => {
  expect(secret.reveal()).toBe(value)
})

test.each<[string, () => string]>([
  ['template string', () => `${secret}`],
  ['concatenation', () => ['', secret].join('')],
  ['JSON', () => JSON.stringify({ secret, nested: [secret] })],
  ['inspect', () => inspect({ secret }, { depth: null, showHidden: true })],
  ['spread', () => JSON.stringify({ ...secret })],
  ['structuredClone', () => JSON.stringify(structuredClone({ ...secret }))],
  ['keys', () => Reflect.ownKeys(secret).map(String).join()],
  ['error text', () => String(new Error(`token ${secret} refused`))],
])('%s does not show it', (_name, print) => {
  expect(print()).not.toContain(value)
})

test('pino does not show it', () => {
  const lines: string[] = []
  const log = pino({ level: 'trace' }, { write: line => lines.push(line) })
  log.info({ secret, deep: { token: secret } }, 'with %s and %o', secret, { secret })
  log.error(secret)
  expect(lines.join('')).not.toContain(value)
})
