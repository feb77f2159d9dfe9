import { fingerprint } from '../protocol/fingerprint.ts'
import type { Envelope, JobSpec, Submission } from '../protocol/job.ts'
import { wrappedSecretId } from '../vault/approle.ts'
import type { Vault } from '../vault/client.ts'
import type { Secret } from '../vault/secret.ts'
import { createToken, revokeSelf } from '../vault/token.ts'
import { encrypt } from '../vault/transit.ts'

export interface SealOptions {
  /** The server's job role; also the name of the transit key. */
  readonly jobRole: string
  /** How long the authority may stay unopened on its way. It is redeemed on submission, so minutes are enough. */
  readonly wrapTtl?: string
}

/** What an envelope is bound to, beside its authority. */
export interface Binding {
  /** The token that is sent with it: with another one it is refused, so no courier makes the job his own. */
  readonly caller?: Secret | undefined
  /** Fingerprint of the authority of the job that must have arrived before. */
  readonly after?: string | undefined
}

const WRAP_TTL = '10m'
/** The name inside the envelope's own cubbyhole. */
const CUBBY_PATH = 'cubbyhole/job'

/** The authority of one job: a wrapped SecretID of the job role, to be opened once, by the server. */
export async function authorize(
  vault: Vault,
  token: Secret,
  { jobRole, wrapTtl = WRAP_TTL }: SealOptions,
  signal?: AbortSignal,
): Promise<Secret> {
  return (await wrappedSecretId(vault, token, jobRole, wrapTtl, signal)).token
}

/**
 * Seals a job for a courier (DESIGN §5, step 1): encrypted with a key that only the server's jobs may decrypt with, in the
 * cubbyhole of a token with exactly two uses, one to write it and one to read it. What the courier gets says where, not what.
 */
export async function sealJob(
  vault: Vault,
  token: Secret,
  spec: JobSpec,
  options: SealOptions & Binding,
  signal?: AbortSignal,
): Promise<Submission> {
  signal?.throwIfAborted()
  // not cut off by the signal: a token whose answer nobody reads cannot be revoked
  const making = createToken(
    vault,
    token,
    // num_uses and not use_limit: GoStint's client asked for the latter, which Vault ignores, and its envelopes could be re-read
    { policies: ['default'], ttl: '60m', num_uses: 2, display_name: 'writ-envelope' },
  )
  try {
    const [wrap, cubby] = await Promise.all([authorize(vault, token, options, signal), making])
    return await fill(vault, token, spec, { ...options, wrap, cubby: cubby.token }, signal)
  } catch (error) {
    const cubby = await making.catch(() => null)
    if (cubby) await revokeSelf(vault, cubby.token).catch(() => {})
    throw error
  }
}

async function fill(
  vault: Vault,
  token: Secret,
  spec: JobSpec,
  options: SealOptions & Binding & { readonly wrap: Secret; readonly cubby: Secret },
  signal: AbortSignal | undefined,
): Promise<Submission> {
  const { jobRole, wrap, cubby } = options
  const sealed: Envelope = {
    ...spec,
    authority_sha256: fingerprint(wrap),
    ...(options.caller ? { caller_sha256: fingerprint(options.caller) } : {}),
    ...(options.after ? { after_sha256: options.after } : {}),
  }
  const [payload = ''] = await encrypt(vault, token, jobRole, [Buffer.from(JSON.stringify(sealed))], signal)
  await vault.send({ method: 'POST', path: CUBBY_PATH, token: cubby, body: { payload }, signal })
  return {
    qname: spec.qname ?? '',
    cubby_token: cubby.reveal(),
    cubby_path: CUBBY_PATH,
    wrap_secret_id: wrap.reveal(),
  }
}
