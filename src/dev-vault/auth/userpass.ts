import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { addressAllowed } from '../cidr.ts'
import type { Core } from '../core.ts'
import { fail, notFound, refuse } from '../errors.ts'
import type { Answer, Backend, Call } from '../routing/backend.ts'
import { changeParams, limitsOf, loginOf, NO_PARAMS, showParams, type TokenParams } from './token-params.ts'

interface Password {
  readonly salt: Buffer
  readonly hash: Buffer
}

interface User {
  readonly password: Password
  readonly params: TokenParams
}

const derive = promisify(scrypt) as (password: string, salt: Buffer, length: number) => Promise<Buffer>

async function hashOf(password: string): Promise<Password> {
  const salt = randomBytes(16)
  return { salt, hash: await derive(password, salt, 32) }
}

/** Compared with when there is no such user, so that both refusals take as long. */
const NOBODY: Password = { salt: randomBytes(16), hash: randomBytes(32) }

/** Names and passwords. */
export function userpassBackend(_core: Core): Backend {
  const users = new Map<string, User>()
  const nameOf = (call: Call) => (call.params.username as string).toLowerCase()
  const passwordIn = (call: Call) => {
    const password = call.fields.text('password')
    if (password === '') throw fail(400, 'missing password')
    return password
  }

  const change = async (call: Call, password: boolean, params: boolean): Promise<undefined> => {
    const user = users.get(nameOf(call))
    if (!user) throw fail(400, 'username does not exist')
    users.set(nameOf(call), {
      password: password ? await hashOf(passwordIn(call)) : user.password,
      params: params ? changeParams(call.fields, user.params) : user.params,
    })
  }

  const login = async (call: Call): Promise<Answer> => {
    const name = nameOf(call)
    const given = passwordIn(call)
    const user = users.get(name)
    const { salt, hash } = user?.password ?? NOBODY
    const right = timingSafeEqual(await derive(given, salt, 32), hash)
    if (!user || !right) throw refuse(400, 'invalid username or password')
    if (!addressAllowed(call.request.address, user.params.boundCidrs)) throw refuse(403, 'permission denied')
    return {
      login: {
        ...loginOf(user.params),
        displayName: name,
        metadata: { username: name },
        alias: name,
        internal: { username: name, policies: user.params.policies },
      },
    }
  }

  return {
    help: 'The userpass credential provider allows authentication using a combination of a username and password.',
    open: ['login/*'],
    routes: [
      { path: 'users', help: 'Lists the users.', list: () => ({ data: { keys: [...users.keys()].sort() } }) },
      { path: 'users/:username/password', help: 'Changes a password.', write: call => change(call, true, false) },
      {
        path: 'users/:username/policies',
        help: 'Changes the policies of a user.',
        write: call => change(call, false, true),
      },
      {
        path: 'users/:username',
        help: 'Reads, writes or deletes a user.',
        exists: call => users.has(nameOf(call)),
        read: call => {
          const user = users.get(nameOf(call))
          if (!user) throw notFound()
          return { data: showParams(user.params) }
        },
        write: async call => {
          const user = users.get(nameOf(call))
          const params = changeParams(call.fields, user?.params ?? NO_PARAMS)
          const keep = user && !call.fields.has('password')
          users.set(nameOf(call), { password: keep ? user.password : await hashOf(passwordIn(call)), params })
          return undefined
        },
        delete: call => {
          users.delete(nameOf(call))
          return undefined
        },
      },
      { path: 'login/:username', help: 'Logs in with a password.', write: login },
    ],
    renewLogin: token => {
      const user = users.get(String(token.internal.username))
      if (!user) throw refuse(500, 'user does not exist')
      const before = token.internal.policies as readonly string[]
      if (before.join() !== user.params.policies.join()) throw refuse(500, 'policies have changed, not renewing')
      return limitsOf(user.params)
    },
  }
}
