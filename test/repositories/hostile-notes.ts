import { type Case, type Made, named } from './case.ts'
import type { World } from './world.ts'

/** ann signed something else than the id. */
function other(what: string, text: (id: string, world: World) => string): Case {
  return named(`a note with a signature of ${what}`, world => {
    const id = world.unsigned(what)
    world.note(id, world.line('ann', text(id, world)))
    return { subject: id, keys: world.trust('ann') }
  })
}

/** A right line of ann in the wrong place. */
function misplaced(what: string, place: (id: string, blob: string, world: World) => void): Case {
  return named(`a right signature in a note ${what}`, world => {
    const id = world.unsigned(what)
    place(id, world.repository.blob(`${world.line('ann', id)}\n`), world)
    return { subject: id, keys: world.trust('ann') }
  })
}

function written(what: string, change: (line: string, world: World) => string, code?: Made['code']): Case {
  return named(`a right signature, written ${what}`, world => {
    const id = world.unsigned(what)
    world.notes.set(id, change(world.line('ann', id), world))
    return { subject: id, keys: world.trust('ann'), ...(code ? { code } : {}) }
  })
}

/** Lines by these people; two are required. */
function counted(what: string, required: number, make: (world: World, id: string) => Pick<Made, 'keys'>): Case {
  return named(`${required} required: ${what}`, world => {
    const id = world.signed('ann', what)
    return { subject: id, required, ...make(world, id) }
  })
}

/** Notes and counts that must not add up. */
export const HOSTILE_NOTES: readonly Case[] = [
  other('the id and a newline', id => `${id}\n`),
  other('the id in capitals', id => id.toUpperCase()),
  other('a shortened id', id => id.slice(0, 39)),
  other('the id and a blank', id => `${id} `),
  other('the name of the branch', () => 'main'),
  other('another commit', (_, world) => world.unsigned('another')),
  other('the tree', (_, world) => world.tree),
  other('the commit itself', (id, world) => world.repository.read('commit', id).toString()),
  other('nothing', () => ''),
  misplaced('of another commit', (_, blob, world) => world.notes.set(world.unsigned('elsewhere'), ['100644', blob])),
  misplaced('with the name in capitals', (id, blob, world) => world.notes.set(id.toUpperCase(), ['100644', blob])),
  misplaced('below a folder of one digit', (id, blob, world) =>
    world.notes.set(`${id[0]}/${id.slice(1)}`, ['100644', blob]),
  ),
  misplaced('below a folder of three digits', (id, blob, world) =>
    world.notes.set(`${id.slice(0, 3)}/${id.slice(3)}`, ['100644', blob]),
  ),
  misplaced('below a folder of four digits', (id, blob, world) =>
    world.notes.set(`${id.slice(0, 4)}/${id.slice(4)}`, ['100644', blob]),
  ),
  misplaced('below a folder of another name', (id, blob, world) => world.notes.set(`notes/${id}`, ['100644', blob])),
  misplaced('named after a folder and the whole id', (id, blob, world) =>
    world.notes.set(`${id.slice(0, 2)}/${id}`, ['100644', blob]),
  ),
  misplaced('with the name shortened', (id, blob, world) => world.notes.set(id.slice(0, 38), ['100644', blob])),
  misplaced('with a name that goes on', (id, blob, world) => world.notes.set(`${id}0`, ['100644', blob])),
  misplaced('that is a symbolic link', (id, blob, world) => world.notes.set(id, ['120000', blob])),
  misplaced('that is a folder', (id, blob, world) => world.notes.set(`${id}/signature`, ['100644', blob])),
  misplaced('that an earlier place hides', (id, blob, world) => {
    world.notes.set(id, 'rubbish\n')
    world.notes.set(`${id.slice(0, 2)}/${id.slice(2)}`, ['100644', blob])
  }),
  misplaced('of the parent', (id, blob, world) => {
    const child = world.write(world.commitBytes('child', { parents: [id] }))
    world.notes.set(child, ['100644', blob])
  }),
  written('in two lines', line => `${line.slice(0, 60)}\n${line.slice(60)}\n`),
  written('with a blank in it', line => `${line.slice(0, 60)} ${line.slice(60)}\n`),
  written('twice in one line', line => `${line} ${line}\n`),
  written('in hexadecimal', line => `${Buffer.from(line, 'base64').toString('hex')}\n`),
  written('for addresses', line => `${Buffer.from(`${line}//++`).toString('base64url')}\n`),
  written(
    'with its armour',
    line => `-----BEGIN PGP SIGNATURE-----\n\n${line.slice(0, 64)}\n${line.slice(64)}\n-----END PGP SIGNATURE-----\n`,
  ),
  written('as JSON', line => `{"signature": "${line}"}\n`),
  written('with a name in front', line => `ann ${line}\n`),
  written('with a comment behind', line => `${line} # ann\n`),
  written(
    'with bytes behind',
    line => `${Buffer.concat([Buffer.from(line, 'base64'), Buffer.from([0, 1])]).toString('base64')}\n`,
  ),
  written('without its beginning', line => `${Buffer.from(line, 'base64').subarray(3).toString('base64')}\n`),
  written('after a NUL', line => `\0${line}\n`),
  written('in a note of 2,000 lines', line => `${'AAAA\n'.repeat(2000)}${line}\n`, 'signatures_unreadable'),
  written('beside a line of 100 KB', line => `${'A'.repeat(100_000)}\n${line}\n`, 'signatures_unreadable'),
  counted('one', 2, world => ({ keys: world.trust('ann', 'bob', 'cat') })),
  counted('the same key in header and note', 2, (world, id) => {
    world.note(id, world.line('ann', id))
    return { keys: world.trust('ann', 'bob') }
  }),
  counted('the same key in five lines', 2, (world, id) => {
    world.note(id, ...Array.from({ length: 5 }, () => world.line('ann', id)))
    return { keys: world.trust('ann', 'bob') }
  }),
  counted('two keys of one person', 2, (world, id) => {
    world.note(id, world.line('ann-two', id))
    return { keys: [...world.trust('ann', 'bob'), { name: 'ann', key: world.publicKey('ann-two') }] }
  }),
  counted('two keys of one person in one text', 2, (world, id) => {
    world.note(id, world.line('ann-two', id))
    return {
      keys: [{ name: 'ann', key: `${world.publicKey('ann')}${world.publicKey('ann-two')}` }, ...world.trust('bob')],
    }
  }),
  counted('OpenPGP and ssh of one person', 2, (world, id) => {
    world.note(id, world.line('sam', id))
    const key = world.ssh.publicKey(world.sshKey('sam'))
    return { keys: [...world.trust('ann', 'bob'), { name: 'ann', key }] }
  }),
  counted('one key under two names', 2, (world, id) => {
    world.note(id, world.line('ann', id))
    return { keys: [...world.trust('ann'), { name: 'ann at work', key: world.publicKey('ann') }] }
  }),
  counted('two keys, which a third name has both', 2, (world, id) => {
    world.note(id, world.line('ann-two', id))
    const both = `${world.publicKey('ann')}${world.publicKey('ann-two')}`
    return { keys: [...world.trust('ann', 'ann-two'), { name: 'third', key: both }] }
  }),
  counted("two names, one of which has the other's key too", 2, (world, id) => {
    world.note(id, world.line('bob', id))
    return { keys: [...world.trust('bob', 'ann'), { name: 'ann', key: world.publicKey('bob') }] }
  }),
  counted('three names, of which one joins the other two, and a fourth with a key of theirs', 2, (world, id) => {
    world.note(id, world.line('cat', id))
    const fourth = { name: 'fourth', key: `${world.publicKey('ann')}${world.publicKey('cat')}` }
    return { keys: [...world.trust('bob', 'ann'), { name: 'ann', key: world.publicKey('bob') }, fourth] }
  }),
  named('2 required: a key by itself, and by a subkey that somebody else has too', world => {
    const id = world.unsigned('shared subkey')
    const keys = world.trust('shared', 'sharer')
    const by = (key: string) =>
      world.gpg.run(['--local-user', `${key}!`, '--detach-sign', '--output', '-'], id).toString('base64')
    world.note(id, by(world.gpg.fingerprint('shared')), by(world.gpg.subkeys('shared')[0] as string))
    return { subject: id, required: 2, keys: keys.toReversed() }
  }),
  counted('one ssh key under two names, one of which has another', 2, (world, id) => {
    world.note(id, world.line('sam', id), world.line('rita', id))
    const [sam, rita] = [world.ssh.publicKey(world.sshKey('sam')), world.ssh.publicKey(world.sshKey('rita'))]
    return {
      keys: [
        { name: 'sam', key: sam },
        { name: 'samuel', key: `${sam}\n${rita}` },
      ],
    }
  }),
  counted('one ssh key under two names', 2, (world, id) => {
    world.note(id, world.line('sam', id), world.line('sam', id))
    const key = world.ssh.publicKey(world.sshKey('sam'))
    return {
      keys: [
        { name: 'sam', key },
        { name: 'samuel', key: `samuel ${key}` },
      ],
    }
  }),
  counted('one of ours and two strangers', 2, (world, id) => {
    world.note(id, world.line('mallory', id), world.line('mallory-ssh', id))
    return { keys: world.trust('ann', 'bob', 'sam') }
  }),
  counted('one of ours and an expired key', 2, (world, id) => {
    world.note(id, world.line('expired', id, [], '20200601T000000'))
    return { keys: world.trust('ann', 'expired') }
  }),
  counted('one of ours, and one who signed the parent', 2, (world, id) => {
    world.note(id, world.line('bob', world.unsigned('some parent')))
    return { keys: world.trust('ann', 'bob') }
  }),
  counted('all of ours', 4, (world, id) => {
    world.note(id, world.line('bob', id), world.line('cat', id))
    return { keys: world.trust('ann', 'bob', 'cat') }
  }),
]
