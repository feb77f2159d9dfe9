import { NotASignature } from './armor.ts'
import type { Candidate } from './candidates.ts'
import { type Person, sshUnusable } from './keyring.ts'
import { readOpenPgpSignature, verifyOpenPgp } from './openpgp-signature.ts'
import { readSshSignature, verifySsh } from './ssh-signature.ts'
import type { Signer } from './standing.ts'

/** Throws unless one of the people made it; the message is for people. */
export async function signerOf(candidate: Candidate, people: readonly Person[], now: Date): Promise<[Person, Signer]> {
  return candidate.method === 'ssh' ? signerBySsh(candidate, people, now) : await signerByPgp(candidate, people, now)
}

async function signerByPgp(candidate: Candidate, people: readonly Person[], now: Date): Promise<[Person, Signer]> {
  const signature = await readOpenPgpSignature(candidate.bytes)
  let why: unknown = new NotASignature(`by a key that is not trusted: ${signature.issuer.toHex().toUpperCase()}`)
  for (const person of people) {
    for (const key of person.openpgp) {
      if (key.key.getKeys(signature.issuer).length === 0) continue
      try {
        await verifyOpenPgp(signature, candidate.payload, key, now)
        const { name } = person
        const { fingerprint } = key
        return [person, { name, fingerprint, method: 'openpgp', where: candidate.where, at: signature.created }]
      } catch (error) {
        why = error
      }
    }
  }
  throw why
}

function signerBySsh(candidate: Candidate, people: readonly Person[], now: Date): [Person, Signer] {
  const signature = readSshSignature(candidate.bytes)
  const { fingerprint } = signature.key
  let why = `by a key that is not trusted: ${fingerprint}`
  for (const person of people) {
    for (const allowed of person.ssh) {
      if (allowed.key.fingerprint !== fingerprint) continue
      const unusable = sshUnusable(allowed, now)
      if (unusable !== undefined) {
        why = unusable
        continue
      }
      verifySsh(signature, candidate.payload)
      return [person, { name: person.name, fingerprint, method: 'ssh', where: candidate.where, at: undefined }]
    }
  }
  throw new NotASignature(why)
}
