import { type Case, named } from './case.ts'
import { armored } from './gpg-home.ts'
import type { World } from './world.ts'

/** A commit signed by ann, changed afterwards. */
function tampered(what: string, change: (bytes: string, world: World) => string): Case {
  return named(`signed, then changed: ${what}`, world => {
    const bytes = world.commitBytes(`before ${what}`, { parents: [world.unsigned('parent')] })
    return { subject: world.write(change(bytes, world), world.signatureOf('ann', bytes)), keys: world.trust('ann') }
  })
}

/** A right signature by ann, carried wrongly in the commit. */
function carried(what: string, carry: (bytes: string, signature: string, world: World) => string | Buffer): Case {
  return named(`a right signature, carried wrongly: ${what}`, world => {
    const bytes = world.commitBytes(`carried ${what}`)
    return { subject: world.write(carry(bytes, world.signatureOf('ann', bytes), world)), keys: world.trust('ann') }
  })
}

/** A header put before the blank line. */
function header(bytes: string, text: string): string {
  return bytes.replace('\n\n', `\n${text.replace(/\n$/, '')}\n\n`)
}

function gpgsig(signature: string, name = 'gpgsig'): string {
  return `${name} ${signature.trimEnd().replaceAll('\n', '\n ')}`
}

function signedAs(what: string, sign: (bytes: string, world: World) => string): Case {
  return named(`gpgsig holds ${what}`, world => {
    const bytes = world.commitBytes(`as ${what}`)
    return { subject: world.write(bytes, sign(bytes, world)), keys: world.trust('ann', 'bob', 'sam', 'prolonged') }
  })
}

/** Embedded signatures that must not count. */
export const HOSTILE_COMMITS: readonly Case[] = [
  named('unsigned', world => ({ subject: world.unsigned('plain'), keys: world.trust('ann') })),
  named('unsigned, and nobody is trusted', world => ({ subject: world.unsigned('nobody'), keys: [] })),
  named('signed, and nobody is trusted', world => ({ subject: world.signed('ann', 'nobody'), keys: [] })),
  named('by a stranger', world => ({ subject: world.signed('mallory'), keys: world.trust('ann', 'bob') })),
  named('by a stranger, with git commit -S', world => ({
    subject: world.signedByGit('mallory'),
    keys: world.trust('ann'),
  })),
  named('by a stranger with the name and e-mail of ann', world => {
    world.gpg.run(['--quick-generate-key', 'ann <ann@example.com> (2)', 'ed25519', 'sign', 'never'])
    const bytes = world.commitBytes('same name')
    const signature = world.gpg.run(['--local-user', '(2)', '--detach-sign', '--output', '-'], bytes)
    return { subject: world.write(bytes, armored(signature)), keys: world.trust('bob', 'cat') }
  }),
  tampered('the message', bytes => bytes.replace('before', 'after')),
  tampered('the tree', (bytes, world) => bytes.replace(world.tree, world.repository.tree({ 'run.sh': 'evil\n' }))),
  tampered('the parent', (bytes, world) => bytes.replace(/(?<=parent )\S+/, world.unsigned('other parent'))),
  tampered('one more parent', (bytes, world) =>
    bytes.replace(/parent \S+\n/, `$&parent ${world.unsigned('second')}\n`),
  ),
  tampered('no parent', bytes => bytes.replace(/parent \S+\n/, '')),
  tampered('the author', bytes => bytes.replace('author Ann', 'author Eve')),
  tampered('the committer', bytes => bytes.replace('committer Ann', 'committer Eve')),
  tampered('the date', bytes => bytes.replace(/(?<=committer .*> )17/, '16')),
  tampered('one more newline', bytes => `${bytes}\n`),
  tampered('one newline less', bytes => bytes.replace(/\n$/, '')),
  tampered('CRLF', bytes => bytes.replace(/\n$/, '\r\n')),
  tampered('one more header', bytes => header(bytes, 'encoding UTF-8')),
  tampered('a byte that is not UTF-8', bytes => `${bytes}\x80`),
  tampered('a blank at the end', bytes => bytes.replace(/\n$/, ' \n')),
  carried('twice', (bytes, signature) => header(header(bytes, gpgsig(signature)), gpgsig(signature))),
  carried('with one of a stranger before', (bytes, signature, world) =>
    header(header(bytes, gpgsig(world.signatureOf('mallory', bytes))), gpgsig(signature)),
  ),
  carried('with one of a stranger after', (bytes, signature, world) =>
    header(header(bytes, gpgsig(signature)), gpgsig(world.signatureOf('mallory', bytes))),
  ),
  carried('with gpgsig-sha256 beside it', (bytes, signature) =>
    header(header(bytes, gpgsig(signature)), gpgsig(signature, 'gpgsig-sha256')),
  ),
  carried('with an unsigned header gpgsigx beside it', (bytes, signature) =>
    header(header(bytes, gpgsig(signature)), 'gpgsigx anything\n at all'),
  ),
  carried('with an empty gpgsig before', (bytes, signature) => header(header(bytes, 'gpgsig '), gpgsig(signature))),
  carried('only as gpgsig-sha256', (bytes, signature) => header(bytes, gpgsig(signature, 'gpgsig-sha256'))),
  carried('as GPGSIG', (bytes, signature) => header(bytes, gpgsig(signature, 'GPGSIG'))),
  carried('in the message', (bytes, signature) => `${bytes}${gpgsig(signature)}\n`),
  carried('in the message, as text', (bytes, signature) => `${bytes}\n${signature}`),
  carried('within another header', (bytes, signature) =>
    header(bytes, `mergetag x\n ${gpgsig(signature).replaceAll('\n', '\n ')}`),
  ),
  carried('with text before', (bytes, signature) => header(bytes, gpgsig(`hello\n${signature}`))),
  carried('with text after', (bytes, signature) => header(bytes, gpgsig(`${signature}hello`))),
  carried('followed by another one', (bytes, signature) => header(bytes, gpgsig(`${signature}${signature}`))),
  carried('without its last line', (bytes, signature) => header(bytes, gpgsig(signature.replace(/-----END.*\n/, '')))),
  carried('with another last line', (bytes, signature) =>
    header(bytes, gpgsig(signature.replace('END PGP SIGNATURE', 'END SSH SIGNATURE'))),
  ),
  carried('as an x509 message', (bytes, signature) =>
    header(bytes, gpgsig(signature.replaceAll('PGP SIGNATURE', 'SIGNED MESSAGE'))),
  ),
  carried('as a PGP MESSAGE', (bytes, signature) =>
    header(bytes, gpgsig(signature.replaceAll('PGP SIGNATURE', 'PGP MESSAGE'))),
  ),
  carried('with blanks in the base64', (bytes, signature) =>
    header(bytes, gpgsig(signature.replace(/^(\w{20})/m, '$1 '))),
  ),
  carried('with a control character in the base64', (bytes, signature) =>
    header(bytes, gpgsig(signature.replace(/^(\w{20})/m, '$1\x01'))),
  ),
  carried('with a header of the armour in lines', (bytes, signature) =>
    header(bytes, gpgsig(signature.replace('\n\n', '\nHash: SHA256\n continued\n\n'))),
  ),
  signedAs('nothing', () => ''),
  signedAs('rubbish', () => 'rubbish'),
  signedAs('armour of nothing', () => armored(Buffer.alloc(0))),
  signedAs('armour of zeros', () => armored(Buffer.alloc(200))),
  signedAs('a signature of another commit', (_, world) => world.signatureOf('ann', world.commitBytes('another'))),
  signedAs('a signature of nothing', (_, world) => world.signatureOf('ann', '')),
  signedAs('a signature of the tree only', (bytes, world) => world.signatureOf('ann', bytes.split('\n')[0] as string)),
  signedAs('a signature of the message only', (bytes, world) =>
    world.signatureOf('ann', bytes.split('\n\n')[1] as string),
  ),
  signedAs('a signature with one bit changed', (bytes, world) => {
    const signature = world.gpg.sign(world.pgp('ann'), bytes)
    signature.writeUInt8((signature.at(-1) as number) ^ 1, signature.length - 1)
    return armored(signature)
  }),
  signedAs('a signature that is cut off', (bytes, world) =>
    armored(world.gpg.sign(world.pgp('ann'), bytes).subarray(0, 60)),
  ),
  signedAs('a signature with bytes behind it', (bytes, world) =>
    armored(Buffer.concat([world.gpg.sign(world.pgp('ann'), bytes), Buffer.from([1, 2, 3])])),
  ),
  signedAs('two signatures in one, by two of ours', (bytes, world) =>
    armored(world.gpg.sign(world.pgp('ann'), bytes, ['--local-user', `<${world.pgp('bob')}@example.com>`])),
  ),
  signedAs('two signatures in one, the second by a stranger', (bytes, world) =>
    armored(world.gpg.sign(world.pgp('ann'), bytes, ['--local-user', `<${world.pgp('mallory')}@example.com>`])),
  ),
  signedAs('a text signature', (bytes, world) => world.signatureOf('ann', bytes, ['--textmode'])),
  signedAs('a whole signed message', (bytes, world) => {
    const args = ['--local-user', `<${world.pgp('ann')}@example.com>`, '--armor', '--sign', '--output', '-']
    return world.gpg.run(args, bytes).toString()
  }),
  signedAs('a clear-text signature', (bytes, world) => {
    const args = ['--local-user', `<${world.pgp('ann')}@example.com>`, '--clear-sign', '--output', '-']
    return world.gpg.run(args, bytes).toString()
  }),
  signedAs('the public key', (_, world) => world.publicKey('ann')),
  signedAs('SHA-1', (bytes, world) => world.signatureOf('bob', bytes, ['--digest-algo', 'SHA1'])),
  signedAs('RIPEMD-160', (bytes, world) => world.signatureOf('bob', bytes, ['--digest-algo', 'RIPEMD160'])),
  signedAs('a signature that has expired', (bytes, world) =>
    world.signatureOf('prolonged', bytes, ['--default-sig-expire', '1d'], '20260301T000000'),
  ),
  signedAs('a signature from in ten minutes', (bytes, world) => {
    const time = new Date(Date.now() + 10 * 60_000).toISOString().replaceAll(/[-:]|\..*/g, '')
    return world.signatureOf('ann', bytes, [], time)
  }),
  signedAs('a signature from tomorrow', (bytes, world) => {
    const time = new Date(Date.now() + 24 * 3600_000).toISOString().replaceAll(/[-:]|\..*/g, '')
    return world.signatureOf('ann', bytes, [], time)
  }),
  signedAs('a signature from before the key', (bytes, world) => world.signatureOf('ann', bytes, [], '20150101T000000')),
]
