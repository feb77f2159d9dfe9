import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { Secret } from '../../../vault/secret.ts'
import { checkWebhook } from './webhook.ts'

const KEY = "It's a Secret to Everybody"
const BODY = Buffer.from('Hello, World!')
const SECRET = new Secret(KEY)
/** From GitHub's documentation. */
const PUBLISHED = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
const refused = expect.objectContaining({ code: 'webhook_refused' })

test('as GitHub, Gitea and GitLab send it', () => {
  expect(checkWebhook({ 'x-hub-signature-256': `sha256=${PUBLISHED}` }, BODY, SECRET)).toBe('github')
  expect(checkWebhook({ 'x-gitea-signature': PUBLISHED }, BODY, SECRET)).toBe('gitea')
  expect(checkWebhook({ 'x-gitlab-token': KEY }, BODY, SECRET)).toBe('gitlab')
})

test.each([
  ['nothing', {}],
  ['SHA-1 only', { 'x-hub-signature': `sha1=${createHmac('sha1', KEY).update(BODY).digest('hex')}` }],
  ['an empty signature', { 'x-hub-signature-256': '' }],
  ['only the prefix', { 'x-hub-signature-256': 'sha256=' }],
  ['a shortened one', { 'x-hub-signature-256': `sha256=${PUBLISHED.slice(0, 62)}` }],
  ['one of another key', { 'x-hub-signature-256': `sha256=${createHmac('sha256', 'x').update(BODY).digest('hex')}` }],
  ['one of an empty key', { 'x-gitea-signature': createHmac('sha256', '').update(BODY).digest('hex') }],
  ['several', { 'x-hub-signature-256': [`sha256=${PUBLISHED}`, 'sha256=x'] }],
  ['a wrong one before a right one', { 'x-hub-signature-256': 'sha256=00', 'x-gitlab-token': KEY }],
  ['a wrong token', { 'x-gitlab-token': `${KEY}x` }],
  ['a part of the token', { 'x-gitlab-token': KEY.slice(1) }],
  ['an empty token', { 'x-gitlab-token': '' }],
])('%s is refused', (_, headers) => {
  expect(() => checkWebhook(headers, BODY, SECRET)).toThrow(refused)
})

test('another body, or a watch without a secret', () => {
  const headers = { 'x-hub-signature-256': `sha256=${PUBLISHED}` }
  expect(() => checkWebhook(headers, Buffer.from('Hello, World?'), SECRET)).toThrow(refused)
  const empty = createHmac('sha256', '').update(BODY).digest('hex')
  expect(() => checkWebhook({ 'x-gitea-signature': empty }, BODY, new Secret(''))).toThrow(refused)
  expect(() => checkWebhook({ 'x-gitlab-token': '' }, BODY, new Secret(''))).toThrow(refused)
})

test('no secret in a refusal', () => {
  expect(() => checkWebhook({ 'x-gitlab-token': 'canary' }, BODY, SECRET)).toThrow(
    expect.not.objectContaining({ message: expect.stringMatching(/canary|Everybody/) as string }),
  )
})
