import type { Core } from '../core.ts'
import { fail, notFound, refuse } from '../errors.ts'
import type { Answer, Backend, Call, Caller, Handler } from '../routing/backend.ts'
import { createToken } from './create.ts'
import type { TokenEntry } from './entry.ts'
import { renewToken } from './renew.ts'
import { changeRole, showRole, type TokenRole } from './role.ts'
import { tokenData } from './show.ts'

/** `auth/token/`: tokens made, looked up, renewed and revoked by other tokens. */
export function tokenBackend(core: Core): Backend {
  const roles = new Map<string, TokenRole>()
  const self = (call: Call): TokenEntry => (call.caller as Caller).token
  const named = (call: Call): string => call.fields.text('token')

  const byAccessor = (call: Call): TokenEntry => {
    const accessor = call.fields.text('accessor')
    if (accessor === '') throw fail(400, 'missing accessor')
    const token = core.tokens.byAccessor(accessor)
    if (!token) throw fail(400, 'invalid accessor')
    return token
  }

  const lookup: Handler = call => {
    const id = named(call)
    const token = id === '' ? self(call) : core.tokens.find(id)
    if (!token) throw refuse(403, 'bad token')
    return { data: tokenData(token, core.clock.now()) }
  }
  const lookupSelf: Handler = call => ({ data: tokenData(self(call), core.clock.now()) })

  const renew = (token: TokenEntry | undefined, call: Call): Answer => {
    if (!token) throw refuse(400, 'token not found')
    return renewToken(core, token, call)
  }

  const revoke = async (token: TokenEntry | undefined): Promise<undefined> => {
    if (token?.type === 'batch') throw refuse(400, 'batch tokens cannot be revoked')
    if (token) await core.tokens.revoke(token)
  }

  const revokeOrphan: Handler = async call => {
    if (named(call) === '') throw refuse(400, 'missing token ID')
    if (!(call.caller as Caller).acl.hasSudo(call.request.path)) {
      throw refuse(400, 'root or sudo privileges required to revoke and orphan')
    }
    const token = core.tokens.find(named(call))
    if (!token) throw refuse(400, 'token to revoke not found')
    if (token.type === 'batch') throw refuse(400, 'batch tokens cannot be revoked')
    await core.tokens.revokeOrphan(token)
    return undefined
  }

  const roleOf = (call: Call): TokenRole => {
    const name = call.params.role as string
    const role = roles.get(name)
    if (!role) throw refuse(400, `unknown role ${name}`)
    return role
  }

  return {
    help: 'The token credential backend is always enabled and builtin to Vault. Client tokens are used to identify a client.',
    sudo: ['accessors', 'accessors/', 'revoke-orphan/*'],
    routes: [
      { path: 'create', help: 'Creates a child token.', write: call => createToken(core, call, false) },
      {
        path: 'create-orphan',
        help: 'Creates a token without a parent.',
        write: call => createToken(core, call, true),
      },
      {
        path: 'create/:role',
        help: 'Creates a token as a role says.',
        write: call => createToken(core, call, false, roleOf(call)),
      },
      { path: 'lookup', help: 'Looks up a token.', read: lookup, write: lookup },
      { path: 'lookup-self', help: 'Looks up the calling token.', read: lookupSelf, write: lookupSelf },
      {
        path: 'lookup-accessor',
        help: 'Looks up a token by its accessor.',
        write: call => ({ data: tokenData(byAccessor(call), core.clock.now(), true) }),
      },
      {
        path: 'accessors',
        help: 'Lists the accessors of all tokens.',
        list: () => ({ data: { keys: core.tokens.accessors() } }),
      },
      {
        path: 'renew',
        help: 'Renews a token.',
        write: call => renew(named(call) === '' ? self(call) : core.tokens.find(named(call)), call),
      },
      { path: 'renew-self', help: 'Renews the calling token.', write: call => renew(self(call), call) },
      {
        path: 'renew-accessor',
        help: 'Renews a token by its accessor.',
        write: call => {
          const answer = renew(byAccessor(call), call)
          return { ...answer, auth: { ...answer.auth, client_token: '' } }
        },
      },
      {
        path: 'revoke',
        help: 'Revokes a token and its children.',
        write: async call => {
          if (named(call) === '') throw refuse(400, 'missing token ID')
          return revoke(core.tokens.find(named(call)))
        },
      },
      { path: 'revoke-self', help: 'Revokes the calling token and its children.', write: call => revoke(self(call)) },
      {
        path: 'revoke-accessor',
        help: 'Revokes a token by its accessor.',
        write: async call => revoke(byAccessor(call)),
      },
      { path: 'revoke-orphan', help: 'Revokes a token and leaves its children.', write: revokeOrphan },
      { path: 'tidy', help: 'Cleans up; nothing needs it here.', write: () => ({ status: 202, data: null }) },
      { path: 'roles', help: 'Lists the roles.', list: () => ({ data: { keys: [...roles.keys()].sort() } }) },
      {
        path: 'roles/:role',
        help: 'Reads, writes or deletes a role.',
        exists: call => roles.has(call.params.role as string),
        read: call => {
          const role = roles.get(call.params.role as string)
          if (!role) throw notFound()
          return { data: showRole(role) }
        },
        write: call => {
          const name = call.params.role as string
          roles.set(name, changeRole(name, call.fields, roles.get(name)))
          return undefined
        },
        delete: call => {
          roles.delete(call.params.role as string)
          return undefined
        },
      },
    ],
    renewLogin: token => {
      const role = roles.get(token.role)
      if (token.role !== '' && !role) {
        throw refuse(500, `original token role ${JSON.stringify(token.role)} could not be found, not renewing`)
      }
      return {
        ttl: token.ttl,
        maxTtl: 0,
        period: role ? role.period : token.period,
        explicitMaxTtl: role ? role.explicitMaxTtl : token.explicitMaxTtl,
      }
    },
  }
}
