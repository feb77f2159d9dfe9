import { WritError } from './errors.ts'
import type { JobEvent } from './output-event.ts'
import { parseResultKey, resultKeyText } from './result-key.ts'

// the library is loaded when it is needed: most commands and most jobs do without
const age = () => import('age-encryption')

/** Checks a `result_key` and gives its canonical text. Throws `result_key_invalid`. */
export async function readResultKey(text: string): Promise<string> {
  const key = parseResultKey(text)
  const { Encrypter } = await age()
  for (const recipient of key.recipients) {
    try {
      new Encrypter().addRecipient(recipient)
    } catch {
      throw new WritError('result_key_invalid')
    }
  }
  return resultKeyText(key)
}

/**
 * Encrypts one piece of output, as an age file of its own (docs/adr): whoever takes over a job goes on with the public key alone, and
 * whoever follows it can open each piece as it comes.
 */
export async function sealPiece(recipients: readonly string[], data: Uint8Array): Promise<Buffer> {
  const { Encrypter } = await age()
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return Buffer.from(await encrypter.encrypt(data))
}

/** A piece as text, for where bytes cannot go; `age -d` reads it. */
export async function armored(piece: Uint8Array): Promise<string> {
  const { armor } = await age()
  return `${armor.encode(piece).trimEnd()}\n`
}

/**
 * Opens the output of a job that was sealed to one of these identities (`AGE-SECRET-KEY-…`). Offsets stay those of what is stored, so
 * that one can go on behind any event. What the system itself says is not sealed. Throws when no identity fits.
 */
export async function* openSealed(
  events: AsyncIterable<JobEvent>,
  identities: readonly string[],
): AsyncGenerator<JobEvent> {
  const { Decrypter } = await age()
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  for await (const event of events) {
    if (event.kind !== 'output' || event.stream === 'system') yield event
    else yield { ...event, sealedBytes: event.data.byteLength, data: await decrypter.decrypt(event.data) }
  }
}
