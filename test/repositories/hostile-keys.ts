import { type Case, type Made, named } from './case.ts'
import { armored } from './gpg-home.ts'
import { sshToken, type TokenOptions } from './ssh-token.ts'
import type { World } from './world.ts'

/** Signed while the key was good; then something happened to it. */
function since(what: string, name: string, happens: (world: World) => void, at?: string): Case {
  return named(`a key that ${what}`, world => {
    const id = world.signed(name, what, [], at)
    world.note(id, world.line(name, id, [], at))
    happens(world)
    return { subject: id, keys: [{ name, key: world.gpg.export(name) }] }
  })
}

/** ann signs; the trusted keys are broken or limited in some way. */
function keys(what: string, made: (world: World) => Made['keys'], code?: Made['code']): Case {
  return named(`trusted keys: ${what}`, world => ({
    subject: world.signed('ann', what),
    keys: made(world),
    ...(code ? { code } : {}),
  }))
}

function broken(what: string, key: (world: World) => string): Case {
  return keys(what, world => [...world.trust('ann'), { name: 'bob', key: key(world) }], 'trusted_key_invalid')
}

function ssh(what: string, signature: (bytes: string, world: World) => string, front = ''): Case {
  return named(`ssh: ${what}`, world => {
    const bytes = world.commitBytes(what)
    const subject = world.write(bytes, signature(bytes, world))
    return { subject, keys: [{ name: 'sam', key: `${front} ${world.ssh.publicKey(world.sshKey('sam'))}` }] }
  })
}

/** Bytes of sam's signature, changed. */
function changed(what: string, change: (blob: Buffer, world: World) => Buffer): Case {
  return ssh(what, (bytes, world) => {
    const text = world.ssh.sign(world.sshKey('sam'), bytes).replaceAll(/-----.*-----|\n/g, '')
    return armored(change(Buffer.from(text, 'base64'), world), 'SSH SIGNATURE')
  })
}

function token(what: string, options: TokenOptions): Case {
  return named(`ssh security token: ${what}`, world => {
    const made = sshToken('ed25519')
    const bytes = world.commitBytes(what)
    return { subject: world.write(bytes, made.sign(bytes, options)), keys: [{ name: 'tom', key: made.publicKey }] }
  })
}

/** Which nobody is to be believed by, but a revocation is. */
const SHA1 = ['--cert-digest-algo', 'SHA1']

const samWith = (front: string) => (world: World) => `${front} ${world.ssh.publicKey(world.sshKey('sam'))}`
const bySam = (bytes: string, world: World) => world.signatureOf('sam', bytes)

/** Keys that must not count, however good the signature. */
export const HOSTILE_KEYS: readonly Case[] = [
  since('has expired', 'expired', () => {}, '20200601T000000'),
  named('a signature dated back to when an expired key was good', world => {
    const id = world.signed('expired', 'dated back', [], '20200701T000000')
    return { subject: id, keys: world.trust('expired') }
  }),
  named('a signature made after the key expired', world => {
    const bytes = world.commitBytes('late')
    // gpg refuses to sign with an expired key, a thief would not: prolonged for a moment, and judged by the old export.
    const keys = world.trust('expired')
    world.gpg.run(['--quick-set-expire', world.gpg.fingerprint('expired'), '20y'])
    return { subject: world.write(bytes, world.signatureOf('expired', bytes)), keys }
  }),
  since('was revoked', 'revoked', world => world.gpg.edit('revoked', ['revkey', 'y', '0', '', 'y', 'save'])),
  since('was superseded', 'superseded', world => world.gpg.edit('superseded', ['revkey', 'y', '2', '', 'y', 'save'])),
  since('had its signing subkey revoked', 'revoked-sub', world =>
    world.gpg.edit('revoked-sub', ['key 1', 'revkey', 'y', 'y', '0', '', 'y', 'save']),
  ),
  // the library skips a revocation that it cannot verify, and would go on trusting the key
  since('was revoked with SHA-1', 'revoked-by-sha1', world =>
    world.gpg.edit('revoked-by-sha1', ['revkey', 'y', '0', '', 'y', 'save'], undefined, SHA1),
  ),
  since('had its signing subkey revoked with SHA-1', 'revoked-sub-by-sha1', world =>
    world.gpg.edit('revoked-sub-by-sha1', ['key 1', 'revkey', 'y', 'y', '0', '', 'y', 'save'], undefined, SHA1),
  ),
  named('a signature by a subkey that was revoked with SHA-1, of a key that has another', world => {
    const name = world.pgp('revoked-old-sub')
    const bytes = world.commitBytes('old subkey')
    const [subkey] = world.gpg.subkeys(name)
    const signature = world.gpg.run(['--local-user', `${subkey}!`, '--armor', '--detach-sign', '--output', '-'], bytes)
    world.gpg.edit(name, ['key 1', 'revkey', 'y', 'y', '0', '', 'y', 'save'], undefined, SHA1)
    return { subject: world.write(bytes, signature.toString()), keys: [{ name, key: world.gpg.export(name) }] }
  }),
  since('had its only name revoked', 'revoked-name', world => {
    world.gpg.edit('revoked-name', ['adduid', 'other name', 'other@example.com', '', 'save'])
    world.gpg.edit('revoked-name', ['uid 1', 'uid 2', 'revuid', 'y', '0', '', 'y', 'save'])
  }),
  since('has an expired signing subkey', 'expired-sub', () => {}, '20200601T000000'),
  since('is RSA of 1024 bits', 'weak', () => {}),
  since('is DSA', 'dsa', () => {}),
  since('is on secp256k1', 'k1', () => {}),
  since('will be made in 2040', 'future', () => {}, '20400601T000000'),
  named('a key that expires between signing and checking', world => {
    const id = world.signed('prolonged', 'later', [], '20260601T000000')
    return { subject: id, keys: world.trust('prolonged'), now: new Date('2050-01-01') }
  }),
  keys('none', () => []),
  keys("somebody else's", world => world.trust('bob')),
  broken('rubbish among them', () => 'rubbish'),
  broken('an empty one among them', () => ''),
  broken('armour of rubbish among them', () => armored(Buffer.alloc(100), 'PGP PUBLIC KEY BLOCK')),
  broken('a key that is cut off among them', world =>
    world.publicKey('bob').replace(/(?:.*\n){5}-----END/, '-----END'),
  ),
  broken('a key without its end among them', world => world.publicKey('bob').replace(/-----END.*\n/, '')),
  broken('a private key among them', world => world.gpg.exportSecret(world.pgp('bob'))),
  broken(
    'a private ssh key among them',
    () => '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n',
  ),
  broken('a signature in place of a key', world => world.signatureOf('bob', 'x')),
  broken('an ssh certificate', world =>
    world.ssh.publicKey(world.sshKey('sam')).replace('ssh-ed25519', 'ssh-ed25519-cert-v01@openssh.com'),
  ),
  broken('an ssh key of another kind than it says', world =>
    world.ssh.publicKey(world.sshKey('sam')).replace('ssh-ed25519', 'ssh-rsa'),
  ),
  broken('an ssh key that is cut off', world =>
    world.ssh.publicKey(world.sshKey('sam')).replace(/(?<=AAAA.{20})\S+/, ''),
  ),
  broken('DSA for ssh', world => world.ssh.publicKey(world.sshKey('dsa-ssh'))),
  broken('RSA of 1024 bits for ssh', world => world.ssh.publicKey(world.sshKey('weak-ssh'))),
  broken('a pattern as principal', samWith('*@example.com')),
  broken('a pattern with a negation', samWith('!sam,*')),
  broken('a certificate authority', samWith('sam cert-authority')),
  broken('an option nobody knows', samWith('sam surprise="yes"')),
  broken('an option twice', samWith('sam namespaces="git",namespaces="file"')),
  broken('an option without principals', samWith('namespaces="git"')),
  broken('a date that is none', samWith('sam valid-before="tomorrow"')),
  broken(
    'two principals in one entry',
    world => `${samWith('sam')(world)}\nrita ${world.ssh.publicKey(world.sshKey('rita'))}`,
  ),
  ssh('a stranger', (bytes, world) => world.signatureOf('mallory-ssh', bytes)),
  ssh('made as a file', (bytes, world) => world.ssh.sign(world.sshKey('sam'), bytes, 'file')),
  ssh('made as an e-mail', (bytes, world) => world.ssh.sign(world.sshKey('sam'), bytes, 'email')),
  ssh('of another commit', (_, world) => world.signatureOf('sam', world.commitBytes('x'))),
  ssh('of the same with a newline more', (bytes, world) => world.signatureOf('sam', `${bytes}\n`)),
  ssh('expired yesterday', bySam, `sam valid-before="20200101"`),
  ssh('valid from 2040', bySam, `sam valid-after="20400101"`),
  ssh('only for files', bySam, `sam namespaces="file"`),
  changed('another magic', blob => Buffer.concat([Buffer.from('SSHSIQ'), blob.subarray(6)])),
  changed('version 2', blob => Buffer.concat([blob.subarray(0, 9), Buffer.from([2]), blob.subarray(10)])),
  changed('bytes behind it', blob => Buffer.concat([blob, Buffer.from([0])])),
  changed('cut off', blob => blob.subarray(0, -10)),
  changed('one bit', blob => Buffer.concat([blob.subarray(0, -1), Buffer.from([(blob.at(-1) as number) ^ 1])])),
  changed('zeros for the signature', blob => Buffer.concat([blob.subarray(0, -64), Buffer.alloc(64)])),
  changed('SHA-1 as its hash', blob => Buffer.from(blob.toString('latin1').replace('sha512', 'sha1\0\0'), 'latin1')),
  named("ssh: a stranger's signature under the name of sam's key", world => {
    const bytes = world.commitBytes('swapped key')
    const blob = (name: string) =>
      Buffer.from(world.ssh.publicKey(world.sshKey(name)).split(' ')[1] as string, 'base64')
    const theirs = Buffer.from(world.signatureOf('mallory-ssh', bytes).replaceAll(/-----.*-----|\n/g, ''), 'base64')
    const swapped = theirs
      .toString('latin1')
      .replace(blob('mallory-ssh').toString('latin1'), blob('sam').toString('latin1'))
    return {
      subject: world.write(bytes, armored(Buffer.from(swapped, 'latin1'), 'SSH SIGNATURE')),
      keys: world.trust('sam'),
    }
  }),
  token('nobody touched it', { flags: 0 }),
  token('verified, but not touched', { flags: 4 }),
  token('for another application', { application: 'ssh:other' }),
  token('for another purpose', { namespace: 'file' }),
]
