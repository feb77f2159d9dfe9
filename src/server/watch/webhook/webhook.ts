import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { WritError } from '../../../protocol/errors.ts'
import type { Secret } from '../../../vault/secret.ts'

export type Forge = 'github' | 'gitea' | 'gitlab'

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Does this request come from somebody who knows the secret of the watch? Answers in whose manner it was shown, or
 * throws `webhook_refused`, which does not say what was wrong. `headers` by small names, `body` to the byte as it came.
 *
 * A push only means "look now": nothing of its content is believed, so an old one that is sent again costs a look at the
 * refs and does no other harm.
 */
export function checkWebhook(headers: Headers, body: Uint8Array, secret: Secret): Forge {
  const key = secret.reveal()
  // An HMAC with an empty key can be made by everybody.
  if (key === '') throw new WritError('webhook_refused')
  const hmac = () => createHmac('sha256', key).update(body).digest()
  const github = single(headers['x-hub-signature-256'])
  if (github !== undefined) return equal(hexOf(github, 'sha256='), hmac(), 'github')
  const gitea = single(headers['x-gitea-signature'])
  if (gitea !== undefined) return equal(hexOf(gitea, ''), hmac(), 'gitea')
  const gitlab = single(headers['x-gitlab-token'])
  if (gitlab !== undefined) return equal(hashed(gitlab), hashed(key), 'gitlab')
  throw new WritError('webhook_refused')
}

/** Gitea sends GitHub's header too; a header that is there twice is from nobody. */
function single(value: string | readonly string[] | undefined): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw new WritError('webhook_refused')
}

function hexOf(text: string, prefix: string): Buffer {
  const hex = text.startsWith(prefix) ? text.slice(prefix.length) : ''
  return /^[0-9a-f]{64}$/i.test(hex) ? Buffer.from(hex, 'hex') : Buffer.alloc(0)
}

/** So that both are of one length, and the time says nothing of the other's. */
function hashed(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function equal(shown: Buffer, right: Buffer, forge: Forge): Forge {
  if (shown.length !== right.length || !timingSafeEqual(shown, right)) throw new WritError('webhook_refused')
  return forge
}
