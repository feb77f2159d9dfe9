import { type Case, named } from './case.ts'
import { armored } from './gpg-home.ts'
import { sshToken } from './ssh-token.ts'
import type { World } from './world.ts'

const DAY_MS = 24 * 3600_000

function embedded(name: string, options: readonly string[] = []): Case['make'] {
  return world => ({
    subject: world.signed(name, `by ${name} ${options.join(' ')}`, options),
    keys: world.trust(name, 'bob'),
  })
}

function byGit(name: string): Case['make'] {
  return world => ({ subject: world.signedByGit(name), keys: world.trust(name) })
}

function message(text: string | Buffer, headers = ''): Case['make'] {
  return world => {
    const [before, after] = world.commitBytes('@').split('\n\n@\n') as [string, string]
    const bytes = Buffer.concat([Buffer.from(`${before}\n${headers}\n`), Buffer.from(text), Buffer.from(after)])
    return { subject: world.write(bytes, world.signatureOf('ann', bytes)), keys: world.trust('ann') }
  }
}

/** Only the note counts, and it lies below that many folders. */
function fanOut(folders: number): Case {
  return named(`a note below ${folders} folders`, world => {
    const id = world.unsigned(`fan-out ${folders}`)
    const parts = Array.from({ length: folders }, (_, at) => id.slice(2 * at, 2 * at + 2))
    world.note([...parts, id.slice(2 * folders)].join('/'), world.line('ann', id))
    return { subject: id, keys: world.trust('ann') }
  })
}

function noted(change: (line: string, world: World, id: string) => string, required = 1): Case['make'] {
  return world => {
    const id = world.unsigned('noted')
    world.notes.set(id, change(world.line('ann', id), world, id))
    return { subject: id, keys: world.trust('ann', 'bob', 'sam'), required }
  }
}

/** Each of these must be accepted. */
export const GOOD: readonly Case[] = [
  ...['ann', 'bob', 'cat', 'rsa2048', 'p384', 'p521', 'sub', 'sub-rsa'].flatMap(name => [
    named(`OpenPGP, key ${name}`, embedded(name)),
    named(`OpenPGP by git commit -S, key ${name}`, byGit(name)),
  ]),
  ...['SHA256', 'SHA384', 'SHA512'].map(hash => named(`RSA with ${hash}`, embedded('bob', ['--digest-algo', hash]))),
  named('a signature that expires next year', embedded('ann', ['--default-sig-expire', '1y'])),
  named(
    'a signature with a notation and a policy',
    embedded('ann', ['--sig-notation', 'a@example.com=b', '--sig-policy-url', 'https://example.com']),
  ),
  named('armour with Version and Comment', world => {
    const bytes = world.commitBytes('armour')
    const lines = world.signatureOf('ann', bytes).replace('\n\n', '\nVersion: GnuPG v2\nComment: hello\n\n')
    return { subject: world.write(bytes, lines), keys: world.trust('ann') }
  }),
  named('armour with a checksum', world => {
    const bytes = world.commitBytes('checksum')
    const lines = world.gpg.run(['--local-user', world.pgp('ann'), '--armor', '--detach-sign', '--output', '-'], bytes)
    return { subject: world.write(bytes, lines.toString()), keys: world.trust('ann') }
  }),
  named('a message with CRLF', message('one\r\ntwo\r\n')),
  named('a message in latin-1', message(Buffer.from([0x67, 0x72, 0xf6, 0xdf, 0x65, 0x0a]), 'encoding ISO-8859-1\n')),
  named('an empty message', message('')),
  named('a message without a newline at its end', message('end')),
  named('a message with blank lines around', message('\n\n x \n\n\n')),
  named('a message that holds a signature', message(`x\n\n${armored(Buffer.alloc(100))}`)),
  named('a message with a line gpgsig', message('x\n\ngpgsig y\n')),
  named('a header that nobody knows', message('x\n', 'HG:extra amend:1\n')),
  named('the header of a merged tag', world => {
    const tag = `mergetag object ${world.unsigned('tagged')}\n type commit\n tag v1\n tagger A <a@b> 1 +0000\n \n v1\n ${armored(Buffer.alloc(80)).trim().replaceAll('\n', '\n ')}\n`
    return message('x\n', tag)(world)
  }),
  named('a signed merge', world => {
    const bytes = world.commitBytes('merge', { parents: [world.unsigned('left'), world.unsigned('right')] })
    return { subject: world.write(bytes, world.signatureOf('ann', bytes)), keys: world.trust('ann') }
  }),
  named('a signature from a clock that is two minutes ahead', world => {
    const time = new Date(Date.now() + 120_000).toISOString().replaceAll(/[-:]|\..*/g, '')
    return { subject: world.signed('ann', 'ahead', [], time), keys: world.trust('ann') }
  }),
  ...Array.from({ length: 20 }, (_, folders) => fanOut(folders)),
  named('a note of a file that is executable', world => {
    const id = world.unsigned('executable')
    world.notes.set(id, ['100755', world.repository.blob(`${world.line('ann', id)}\n`)])
    return { subject: id, keys: world.trust('ann') }
  }),
  named(
    'a note without a newline at its end',
    noted(line => line),
  ),
  named(
    'a note with blank lines',
    noted(line => `\n\n${line}\n\n`),
  ),
  named(
    'a note with CRLF',
    noted(line => `${line}\r\n`),
  ),
  named(
    'a note with the checksum of the armour',
    noted(line => `${line}=AbC/\n`),
  ),
  named(
    'a note with rubbish before',
    noted(line => `rubbish\n${line}\n`),
  ),
  named(
    'a note with a stranger before',
    noted((line, world, id) => `${world.line('mallory', id)}\n${line}\n`),
  ),
  named(
    'a note with the same line twice',
    noted(line => `${line}\n${line}\n`),
  ),
  named(
    'a note by two people',
    noted((line, world, id) => `${line}\n${world.line('bob', id)}\n`, 2),
  ),
  named(
    'a note by three, one with ssh',
    noted((line, world, id) => `${world.line('sam', id)}\n${line}\n${world.line('bob', id)}\n`, 3),
  ),
  named('a note of a subkey', world => {
    const id = world.unsigned('subkey')
    world.note(id, world.line('sub', id))
    return { subject: id, keys: world.trust('sub') }
  }),
  named('two of three: the author and a note', world => {
    const id = world.signed('ann', 'two of three')
    world.note(id, world.line('bob', id))
    return { subject: id, keys: world.trust('ann', 'bob', 'cat'), required: 2 }
  }),
  named('three of three, with a stranger among them', world => {
    const id = world.signed('ann', 'three of three')
    world.note(id, world.line('mallory', id), world.line('bob', id), world.line('cat', id))
    return { subject: id, keys: world.trust('ann', 'bob', 'cat'), required: 3 }
  }),
  named('a stranger as the author, one of ours in the note', world => {
    const id = world.signed('mallory', 'stranger')
    world.note(id, world.line('bob', id))
    return { subject: id, keys: world.trust('ann', 'bob') }
  }),
  named('none required: unsigned', world => ({ subject: world.unsigned('free'), keys: [], required: 0 })),
  named('a key that was prolonged after it signed', world => {
    const id = world.signed('prolonged', 'prolonged', [], '20260601T000000')
    world.gpg.run(['--quick-set-expire', world.gpg.fingerprint('prolonged'), '10y'])
    return { subject: id, keys: [{ name: 'prolonged', key: world.gpg.export('prolonged') }] }
  }),
  named('somebody else has an expired key', world => ({
    subject: world.signed('ann', 'beside'),
    keys: world.trust('expired', 'ann'),
  })),
  named('the other key of somebody whose first is expired', world => {
    const keys = [{ name: 'ann', key: world.publicKey('expired') }, ...world.trust('ann')]
    return { subject: world.signed('ann', 'other key'), keys }
  }),
  named('two keys in one text', world => {
    const key = `${world.publicKey('cat')}\n${world.publicKey('ann')}`
    return { subject: world.signed('ann', 'one text'), keys: [{ name: 'ann', key }] }
  }),
  named('two keys in one block', world => {
    const key = world.gpg.run(['--armor', '--export', world.pgp('bob'), world.pgp('ann')]).toString()
    return { subject: world.signed('ann', 'one block'), keys: [{ name: 'ann', key }] }
  }),
  named('OpenPGP and ssh in one text', world => {
    const key = `${world.publicKey('bob')}\n# the laptop\n${world.ssh.publicKey(world.sshKey('sam'))}\n`
    return { subject: world.signed('sam', 'mixed'), keys: [{ name: 'ann', key }] }
  }),
  ...['sam', 'rita', 'eve', 'eve384', 'eve521'].flatMap(name => [
    named(`ssh, key ${name}`, embedded(name)),
    named(`ssh by git commit -S, key ${name}`, byGit(name)),
  ]),
  named('ssh with SHA-256', world => {
    const bytes = world.commitBytes('sha256')
    return {
      subject: world.write(bytes, world.ssh.sign(world.sshKey('sam'), bytes, 'git', 'sha256')),
      keys: world.trust('sam'),
    }
  }),
  ...(['ed25519', 'ecdsa'] as const).map(kind =>
    named(`ssh with a security token, ${kind}`, world => {
      const token = sshToken(kind)
      const bytes = world.commitBytes('token')
      return { subject: world.write(bytes, token.sign(bytes)), keys: [{ name: 'tom', key: token.publicKey }] }
    }),
  ),
  ...[
    'sam@example.com',
    'sam@example.com,sam namespaces="git"',
    'sam namespaces="file,git",valid-before="20991231"',
    `sam valid-after="20200101000000Z",valid-before="${new Date(Date.now() + DAY_MS).toISOString().replaceAll(/[-:T]|\..*/g, '')}Z"`,
    'sam namespaces="*"',
  ].map(front =>
    named(`allowed_signers: ${front.replaceAll(/\d{14}/g, '…')}`, world => {
      const key = `${front} ${world.ssh.publicKey(world.sshKey('sam'))}`
      return { subject: world.signed('sam', front), keys: [{ name: 'sam', key }] }
    }),
  ),
]
