import { readFile, writeFile } from 'node:fs/promises'
import type { Client } from '../../client/client.ts'
import { UsageError } from '../failure.ts'

const TRANSIT = 'transit:'

export interface ResultKey {
  /** What goes into the job; absent: its output is not encrypted. */
  readonly recipients?: string
  /** What opens it here; may be none. */
  readonly identities: readonly string[]
}

/**
 * The keys that the flags mean. `auto` is a key made for this job: in memory, or in the file of `--identity`, whose key is taken if there
 * is one already. The private key stays here in any case. `transit:` and a key of Vault's: a key made for this job that this one keeps.
 */
export async function resultKeyOf(
  client: Client,
  options: { resultKey?: string; identity?: string },
): Promise<ResultKey> {
  const { resultKey, identity } = options
  if (!resultKey) return { identities: [] }
  if (resultKey.startsWith(TRANSIT)) {
    const result_key = await client.resultKey(resultKey.slice(TRANSIT.length))
    return { recipients: result_key, identities: await client.identities({ result_key }) }
  }
  if (resultKey !== 'auto') return { recipients: resultKey, identities: identity ? await readIdentities(identity) : [] }
  const age = await import('age-encryption')
  const known = identity ? await readIdentities(identity).catch(ifMissing) : null
  const key = known?.[0] ?? (await age.generateX25519Identity())
  const recipients = await age.identityToRecipient(key)
  // never over a file that is there, and readable by nobody else from its first moment on
  if (identity && !known)
    await writeFile(identity, `# public key: ${recipients}\n${key}\n`, { mode: 0o600, flag: 'wx' })
  return { recipients, identities: known ?? [key] }
}

/** The identities in a file of age-keygen. Throws `UsageError`. */
export async function readIdentities(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw new UsageError(`--identity names ${path}, which cannot be read (${error.code})`, '', { cause: error })
  })
  const identities = text.split(/\r?\n/).filter(line => line.startsWith('AGE-SECRET-KEY-'))
  if (identities.length === 0) throw new UsageError(`${path} has no age identity (AGE-SECRET-KEY-…)`)
  return identities
}

function ifMissing(error: Error): null {
  if ((error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return null
  throw error
}
