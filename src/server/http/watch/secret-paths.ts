import type { Updateable } from 'kysely'
import { seal } from '../../jobs/sealed.ts'
import type { WatchesTable } from '../../store/watch-schema.ts'
import { changeWatch } from '../../watch/change.ts'
import { type Fields, refused } from '../../watch/fields.ts'
import type { Path } from './path.ts'

type SecretColumn = 'sealed_git_credential' | 'sealed_ssh_key' | 'sealed_webhook_secret'

/** A record that can be written and removed and never read: it goes into the database as transit ciphertext. */
function secretPath(
  column: SecretColumn,
  read: (fields: Fields) => string,
  path: Pick<Path, 'pattern' | 'synopsis' | 'description' | 'fields'>,
): Path {
  const change = (sealed: string | null): Updateable<WatchesTable> => ({ [column]: sealed })
  return {
    ...path,
    write: async ({ engine, caller, watch, fields }) => {
      const [sealed = ''] = await seal(engine, [read(fields)])
      await changeWatch(engine, caller, watch, path.pattern, {}, async () => change(sealed))
      return null
    },
    remove: async ({ engine, caller, watch }) => {
      await changeWatch(engine, caller, watch, path.pattern, { removed: true }, async () => change(null))
      return null
    },
  }
}

/** gitops.md §4.2, gitops-quorum.md */
export const GIT_CREDENTIAL = secretPath(
  'sealed_git_credential',
  fields => {
    const [username, password] = [fields.text('username'), fields.text('password')]
    if (username === '' || password === '') throw refused('"username" and "password" are both needed')
    return JSON.stringify({ username, password })
  },
  {
    pattern: 'configure/git_credential',
    synopsis: 'User name and password for an https repository.',
    description: 'Kept encrypted; it can be replaced and removed, never read. A token goes where its forge wants it.',
    fields: { username: 'Required.', password: 'Password or token. Required.' },
  },
)

export const SSH_KEY = secretPath(
  'sealed_ssh_key',
  fields => {
    const key = fields.text('private_key')
    if (!/^-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[\s\S]+-----END [A-Z ]*PRIVATE KEY-----\s*$/.test(key))
      throw refused('"private_key" is not a private key as ssh-keygen writes it')
    return `${key.replaceAll('\r\n', '\n').trimEnd()}\n`
  },
  {
    pattern: 'configure/ssh_key',
    synopsis: 'Private key for an ssh repository.',
    description: 'Without a passphrase. Kept encrypted; it can be replaced and removed, never read.',
    fields: { private_key: 'The key. Required; private_key=@file reads it from a file.' },
  },
)

const SHORTEST_SECRET = 16

export const WEBHOOK = secretPath(
  'sealed_webhook_secret',
  fields => {
    const secret = fields.text('secret')
    if (secret.length < SHORTEST_SECRET) throw refused(`"secret" is shorter than ${SHORTEST_SECRET} characters`)
    return secret
  },
  {
    pattern: 'configure/webhook',
    synopsis: 'Secret of the push webhook: with it, a push is seen at once.',
    description:
      'Let GitHub, GitLab, Gitea or Forgejo send push events as JSON to /v1/<mount>/webhook, with this secret. It decides nothing: ' +
      'it makes writ look now. Kept encrypted; it can be replaced and removed, never read.',
    fields: { secret: 'At least 16 characters. Required.' },
  },
)
