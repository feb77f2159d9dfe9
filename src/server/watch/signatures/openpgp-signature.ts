import type { KeyID, Signature, SignaturePacket } from 'openpgp'
import { NotASignature } from './armor.ts'
import { type OpenPgpKey, openpgp } from './openpgp-key.ts'

/** People's clocks are not all right, and a signature is often looked at within the second. */
const CLOCKS_DIFFER_MS = 5 * 60_000

export interface OpenPgpSignature {
  readonly signature: Signature
  readonly issuer: KeyID
  readonly created: Date
}

/** One binary signature, not several and not of another kind: text signatures leave line ends open. */
export async function readOpenPgpSignature(bytes: Uint8Array): Promise<OpenPgpSignature> {
  const { readSignature, enums } = await openpgp()
  let signature: Signature
  try {
    signature = await readSignature({ binarySignature: bytes })
  } catch {
    throw new NotASignature('not an OpenPGP signature')
  }
  const packets = signature.packets as unknown as readonly SignaturePacket[]
  const [packet] = packets
  if (packets.length !== 1 || !packet) throw new NotASignature('several signatures in one')
  if (packet.signatureType !== enums.signature.binary) throw new NotASignature('not a signature of a document')
  if (!packet.created) throw new NotASignature('without a date')
  return { signature, issuer: packet.issuerKeyID, created: packet.created }
}

/**
 * Throws unless this key made the signature of these bytes, was valid then, and is valid now: of an expired or revoked key
 * nobody knows who has it, and whoever has it writes any date.
 */
export async function verifyOpenPgp(
  { signature, issuer }: OpenPgpSignature,
  payload: Uint8Array,
  key: OpenPgpKey,
  now: Date,
): Promise<void> {
  await key.checkUsable(now, issuer)
  const { createMessage, verify } = await openpgp()
  const message = await createMessage({ binary: payload })
  // Whoever prolongs a key has it signed anew, and the library would call the key too young for all earlier signatures.
  const config = { allowInsecureVerificationWithReformattedKeys: true }
  const date = new Date(now.getTime() + CLOCKS_DIFFER_MS)
  const { signatures } = await verify({
    message,
    signature,
    verificationKeys: [key.key],
    format: 'binary',
    date,
    config,
  })
  if (signatures.length !== 1) throw new NotASignature('several signatures in one')
  await signatures[0]?.verified
}
