import { deleteKey, findKey, listKeys, putKey } from '../../store/watch-keys.ts'
import { changeWatch } from '../../watch/change.ts'
import { refused } from '../../watch/fields.ts'
import { checkTrustedKey } from '../../watch/keys.ts'
import { isItemName } from '../../watch/names.ts'
import type { Path, PathCall } from './path.ts'

const HELP = {
  synopsis: 'Public keys of the people whose signatures count.',
  description:
    'A name is a person: keys under one name count once. OpenPGP keys, armoured, or lines of public ssh keys. Keys that have ' +
    'expired, were revoked or are too weak do not count.',
  fields: { name: 'Whose key. Required.', public_key: 'One or more keys. Required; public_key=@file reads a file.' },
}

const list: Path['list'] = async ({ engine, watch }) => {
  const names = (await listKeys(engine.db, watch.name)).map(key => key.name)
  // both words: the early form of this path answered `names`, Vault's command line reads `keys` (gitops.md §4.5)
  return names.length > 0 ? { data: { keys: names, names } } : null
}

async function write({ engine, caller, watch, fields }: PathCall, name: string): Promise<null> {
  if (!isItemName(name)) throw refused('"name" is missing, or not a name of letters, digits, _ . and -')
  const key = fields.text('public_key')
  const fingerprints = await checkTrustedKey(name, key)
  const detail = { name, fingerprints }
  await changeWatch(engine, caller, watch, 'configure/trusted_pgp_public_key', detail, async tx => {
    await putKey(tx, watch.name, name, key)
    return undefined
  })
  return null
}

/** gitops.md §4.5, gitops-quorum.md; under the spelling of today and the one before it. */
export const KEYS: readonly Path[] = ['trusted_pgp_public_key', 'trusted_gpg_public_key'].flatMap(word => [
  {
    pattern: `configure/${word}`,
    ...HELP,
    list,
    write: async call => await write(call, call.fields.text('name')),
  },
  {
    pattern: `configure/${word}/:name`,
    ...HELP,
    read: async ({ engine, watch, name }) => {
      const key = await findKey(engine.db, watch.name, name)
      return key ? { data: { name: key.name, public_key: key.public_key } } : null
    },
    write: async call => await write(call, call.name),
    remove: async ({ engine, caller, watch, name }) => {
      const detail = { name, removed: true }
      await changeWatch(engine, caller, watch, 'configure/trusted_pgp_public_key', detail, async tx => {
        await deleteKey(tx, watch.name, name)
        return undefined
      })
      return null
    },
  },
])
