import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TrustedKey } from '../../src/server/watch/signatures/quorum.ts'
import { GitRepository } from './git-repository.ts'
import { armored, GpgHome } from './gpg-home.ts'
import { SshKeys } from './ssh-keys.ts'

const OPENPGP = {
  ann: 'ed25519',
  bob: 'rsa3072',
  cat: 'nistp256',
  rsa2048: 'rsa2048',
  p384: 'nistp384',
  p521: 'nistp521',
  mallory: 'ed25519',
  'ann-two': 'ed25519',
} as const
const SSH: Readonly<Record<string, readonly [string, number?]>> = {
  sam: ['ed25519'],
  rita: ['rsa', 3072],
  eve: ['ecdsa', 256],
  eve384: ['ecdsa', 384],
  eve521: ['ecdsa', 521],
  'mallory-ssh': ['ed25519'],
  'weak-ssh': ['rsa', 1024],
  'dsa-ssh': ['dsa'],
}

const SHARED = '20250101T000000'

/** Makers of special keys, each made when first asked for: making keys is slow. */
const SPECIAL: Readonly<Record<string, (gpg: GpgHome) => void>> = {
  // a primary key that only certifies, and a subkey that signs
  sub(gpg) {
    gpg.generate('sub', 'ed25519', { usage: 'cert' })
    gpg.addSubkey('sub')
  },
  'sub-rsa'(gpg) {
    gpg.generate('sub-rsa', 'rsa2048', { usage: 'cert' })
    gpg.addSubkey('sub-rsa', 'rsa2048')
  },
  expired: gpg => gpg.generate('expired', 'ed25519', { expires: '1y', at: '20200101T000000' }),
  prolonged: gpg => gpg.generate('prolonged', 'ed25519', { expires: '1y', at: '20260101T000000' }),
  revoked: gpg => gpg.generate('revoked'),
  superseded: gpg => gpg.generate('superseded'),
  'revoked-name': gpg => gpg.generate('revoked-name'),
  'revoked-sub'(gpg) {
    gpg.generate('revoked-sub', 'ed25519', { usage: 'cert' })
    gpg.addSubkey('revoked-sub')
  },
  'revoked-by-sha1': gpg => gpg.generate('revoked-by-sha1'),
  'revoked-sub-by-sha1'(gpg) {
    gpg.generate('revoked-sub-by-sha1', 'ed25519', { usage: 'cert' })
    gpg.addSubkey('revoked-sub-by-sha1')
  },
  // the older one of two is revoked: what the library would choose by itself is good
  'revoked-old-sub'(gpg) {
    gpg.generate('revoked-old-sub', 'ed25519', { usage: 'cert', at: '20250101T000000' })
    gpg.addSubkey('revoked-old-sub', 'ed25519', { at: '20250101T000000' })
    gpg.addSubkey('revoked-old-sub', 'ed25519', { at: '20250601T000000' })
  },
  // signs with itself, and with a subkey that `sharer` has too
  shared(gpg) {
    gpg.generate('shared', 'ed25519', { at: SHARED })
    gpg.addSubkey('shared', 'ed25519', { at: SHARED })
  },
  sharer(gpg) {
    gpg.generate('sharer', 'ed25519', { usage: 'cert', at: SHARED })
    // of the same second, or it would have another fingerprint
    gpg.edit('sharer', ['addkey', '13', gpg.keygrips('shared')[1] as string, 'q', '0', 'y', 'y', 'save'], SHARED)
  },
  'expired-sub'(gpg) {
    gpg.generate('expired-sub', 'ed25519', { usage: 'cert', at: '20200101T000000' })
    gpg.addSubkey('expired-sub', 'ed25519', { expires: '1y', at: '20200101T000000' })
  },
  weak: gpg => gpg.generate('weak', 'rsa1024'),
  dsa: gpg => gpg.generate('dsa', 'dsa1024'),
  k1: gpg => gpg.generate('k1', 'secp256k1'),
  future: gpg => gpg.generate('future', 'ed25519', { at: '20400101T000000' }),
}

/** Real keys of a few people, and a real repository in which they sign. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'writ-world-'))
  readonly gpg = new GpgHome()
  readonly ssh = new SshKeys()
  readonly repository = new GitRepository(this.folder)
  /** path → content, in `refs/tags/latest-signature`. */
  readonly notes = new Map<string, string | readonly [mode: string, id: string]>()
  readonly #made = new Set<string>()
  readonly #exported = new Map<string, string>()

  pgp(name: string): string {
    if (this.#made.has(name)) return name
    this.#made.add(name)
    if (name in OPENPGP) this.gpg.generate(name, OPENPGP[name as keyof typeof OPENPGP])
    else (SPECIAL[name] as (gpg: GpgHome) => void)(this.gpg)
    return name
  }

  sshKey(name: string): string {
    if (!this.#made.has(`ssh ${name}`)) this.ssh.generate(name, ...(SSH[name] as readonly [string, number?]))
    this.#made.add(`ssh ${name}`)
    return name
  }

  /** As they are at the first call: what changes a key afterwards asks gpg itself. */
  publicKey(name: string): string {
    const known = this.#exported.get(name) ?? this.gpg.export(this.pgp(name))
    this.#exported.set(name, known)
    return known
  }

  trust(...names: readonly string[]): TrustedKey[] {
    return names.map(name => ({
      name,
      key: name in SSH ? this.ssh.publicKey(this.sshKey(name)) : this.publicKey(name),
    }))
  }

  /** A line of a note: somebody's signature of that text. */
  line(name: string, text: string, options: readonly string[] = [], at?: string): string {
    if (name in SSH) return this.ssh.sign(this.sshKey(name), text).replaceAll(/-----.*-----|\n/g, '')
    return this.gpg.sign(this.pgp(name), text, options, at).toString('base64')
  }

  note(id: string, ...lines: readonly string[]): string {
    this.notes.set(id, `${lines.join('\n')}\n`)
    return id
  }

  /** An unsigned commit as bytes, different from all others. */
  commitBytes(message: string, { parents = [], tree }: { parents?: readonly string[]; tree?: string } = {}): string {
    const when = `${++this.#seconds} +0000`
    const people = `author Ann <ann@example.com> ${when}\ncommitter Ann <ann@example.com> ${when}\n`
    const above = parents.map(parent => `parent ${parent}\n`).join('')
    return `tree ${tree ?? this.tree}\n${above}${people}\n${message}\n`
  }

  #seconds = 1_760_000_000
  #tree: string | undefined

  get tree(): string {
    this.#tree ??= this.repository.tree({ 'run.sh': 'echo hi\n' })
    return this.#tree
  }

  /** Writes a commit; the signature goes where git puts it. */
  write(bytes: string | Buffer, signature?: string, header = 'gpgsig'): string {
    return this.repository.raw('commit', signature === undefined ? bytes : withSignature(bytes, signature, header))
  }

  unsigned(message = 'unsigned'): string {
    return this.write(this.commitBytes(message))
  }

  /** A commit signed in its header, by somebody with OpenPGP or ssh. */
  signed(name: string, message = `by ${name}`, options: readonly string[] = [], at?: string): string {
    const bytes = this.commitBytes(message)
    return this.write(bytes, this.signatureOf(name, bytes, options, at))
  }

  signatureOf(name: string, bytes: string | Uint8Array, options: readonly string[] = [], at?: string): string {
    if (name in SSH) return this.ssh.sign(this.sshKey(name), bytes)
    return armored(this.gpg.sign(this.pgp(name), bytes, options, at))
  }

  /** The same by `git commit-tree -S` from end to end. */
  signedByGit(name: string, settings: readonly string[] = [], message = `git, by ${name}`): string {
    const key = name in SSH ? this.ssh.privateKeyFile(this.sshKey(name)) : this.gpg.fingerprint(this.pgp(name))
    const format = name in SSH ? ['-c', 'gpg.format=ssh'] : []
    const args = [...format, ...settings, 'commit-tree', `-S${key}`, '-m', message, this.tree]
    return this.repository.git(args, '', { ...this.gpg.environment, ...this.repository.when() })
  }

  /** Publishes the notes, and `main` as a merge of all that was made. */
  publish(commits: readonly string[]): void {
    const index = join(this.folder, 'notes-index')
    const lines = [...this.notes].map(([path, content]) => {
      const [mode, id] = typeof content === 'string' ? ['100644', this.repository.blob(content)] : content
      return `${mode} ${id}\t${path}\n`
    })
    this.repository.git(['update-index', '--index-info'], lines.join(''), { GIT_INDEX_FILE: index })
    const tree = this.repository.git(['write-tree', '--missing-ok'], '', { GIT_INDEX_FILE: index })
    this.repository.ref('refs/tags/latest-signature', this.repository.commit(tree))
    this.repository.ref('refs/heads/main', this.repository.commit(this.tree, [...new Set(commits)]))
  }

  close(): void {
    this.gpg.close()
    this.ssh.close()
    rmSync(this.folder, { recursive: true })
  }
}

/** The bytes of a commit with a header after the others, its lines continued as git does it. */
function withSignature(bytes: string | Buffer, signature: string, header = 'gpgsig'): Buffer {
  const whole = Buffer.from(bytes)
  const end = whole.indexOf('\n\n') + 1
  const lines = signature.replace(/\n$/, '').split('\n').join('\n ')
  return Buffer.concat([whole.subarray(0, end), Buffer.from(`${header} ${lines}\n`), whole.subarray(end)])
}
