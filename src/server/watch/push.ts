import { WritError } from '../../protocol/errors.ts'
import { Secret } from '../../vault/secret.ts'
import type { Engine } from '../jobs/engine.ts'
import { unseal } from '../jobs/sealed.ts'
import { findWatch, lookAgain } from '../store/watches.ts'
import { checkWebhook } from './webhook/webhook.ts'

/** Secrets by their ciphertext: who floods this path with wrong ones must not make Vault decrypt each time. */
const opened = new Map<string, Secret>()
const MOST_OPENED = 1_000

/**
 * Somebody says that something was pushed, and knows the secret of the watch: it is looked at now. Nothing that was sent is believed,
 * so a stolen secret makes writ look and do nothing else. A watch that is not there and one without a secret answer the same.
 * Throws `webhook_refused`, `vault_unavailable`.
 */
export async function takePush(
  engine: Engine,
  mount: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Uint8Array,
): Promise<void> {
  const watch = await findWatch(engine.db, mount)
  if (!watch?.sealed_webhook_secret) throw new WritError('webhook_refused')
  checkWebhook(headers, body, await secretOf(engine, watch.sealed_webhook_secret))
  await engine.db.transaction().execute(async tx => await lookAgain(tx, watch.name))
}

async function secretOf(engine: Engine, sealed: string): Promise<Secret> {
  const known = opened.get(sealed)
  if (known) return known
  const [text = ''] = await unseal(engine, [sealed])
  const secret = new Secret(text)
  if (opened.size >= MOST_OPENED) opened.clear()
  opened.set(sealed, secret)
  return secret
}
