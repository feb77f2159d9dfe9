import { WritError } from '../../../protocol/errors.ts'
import { Secret } from '../../../vault/secret.ts'
import type { Credentials } from '../../identity/credentials.ts'
import type { UserIdSource } from '../../identity/methods/user-id.ts'
import type { Fields } from './body.ts'
import type { Wire } from './settings.ts'

/** All keys of a JSON body, of both versions and our own (gatekeeper.md §2.4, §13.3). */
export const UNSEAL_KEYS = [
  'type',
  'method',
  'token',
  'personal_token',
  'cubby_path',
  'username',
  'password',
  'app_id',
  'user_id_method',
  'user_id_interface',
  'user_id_path',
  'user_id_hash',
  'user_id_salt',
  'aws_role',
  'aws_nonce',
  'role_id',
  'secret_id',
  'wrapped_secret_id',
  'role',
  'jwt',
  'name',
] as const

export type UnsealTexts = Readonly<Record<(typeof UNSEAL_KEYS)[number], string>>

/** What somebody asks to unseal with. */
export interface UnsealRequest {
  readonly wire: Wire
  /** As in the answer. */
  readonly method: string
  /** Throws `login_method_unknown`, `login_refused`. */
  credentials(allowed: UserIdSource | null): Credentials
}

/** `method` is version 2's key, `type` version 1's. */
export function unsealRequest(texts: UnsealTexts, fallback: Wire): UnsealRequest {
  const wire = texts.method ? 'v2' : texts.type ? 'v1' : fallback
  const asked = texts.method || texts.type
  const method = NAMES.get(asked) ?? asked
  return { wire, method, credentials: allowed => credentialsOf(method, texts, allowed) }
}

/** Other names of methods. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['token-wrapped', 'wrapped-token'],
  ['aws-ec2', 'aws'],
  ['approle-wrapped', 'approle'],
  ['tls', 'cert'],
])

/** The fields of the page, and of vault-gatekeeper's, as keys of the JSON body. */
const FORM: Readonly<Record<string, Partial<Record<keyof UnsealTexts, string>>>> = {
  'app-id': {
    app_id: 'app-id_appid',
    user_id_method: 'app-id_userid_method',
    user_id_hash: 'app-id_userid_hash',
    user_id_salt: 'app-id_userid_salt',
  },
  // vault-gatekeeper's page sent other names than its server read
  userpass: { username: 'userpass_username', password: 'userpass_password' },
  github: { token: 'github_token' },
  token: { token: 'token_token' },
  cubby: { token: 'cubby_token', cubby_path: 'cubby_path' },
  'wrapped-token': { token: 'wrapped_token' },
  aws: { aws_role: 'aws_role', aws_nonce: 'aws_nonce' },
  approle: { role_id: 'approle_role_id', secret_id: 'approle_secret_id', wrapped_secret_id: 'approle_wrapped' },
  kubernetes: { role: 'kubernetes_role', jwt: 'kubernetes_jwt' },
  jwt: { role: 'jwt_role', jwt: 'jwt_jwt' },
  cert: { name: 'cert_name' },
}

/** Every name that version 1 read a part of a credential by, from a form or from the URL, and ours. */
const IN_FORMS: ReadonlySet<string> = new Set([
  ...UNSEAL_KEYS,
  ...Object.values(FORM).flatMap(names => Object.values(names)),
  'auth_type',
  'app-id_userid_data',
  'username_username',
  'username_password',
  'vault_token',
])

/**
 * Version 1 read the URL as a part of the form (gatekeeper.md §2.4). The attack: whoever reads the log of a proxy has the token, while the
 * operator whose script works never hears of it. Throws `credential_in_url`, which says what to do.
 */
export function requireNoneInUrl(query: unknown): void {
  const named = Object.keys((query ?? {}) as object)
  if (named.some(name => IN_FORMS.has(name))) throw new WritError('credential_in_url')
}

/** The texts of a form. Throws `login_method_unknown`. */
export function formTexts(fields: Fields): UnsealTexts {
  const type = fields.get('auth_type') ?? ''
  const method = NAMES.get(type) ?? type
  const names = (Object.hasOwn(FORM, method) && FORM[method]) || {}
  const texts = Object.fromEntries(UNSEAL_KEYS.map(key => [key, fields.get(names[key] ?? '') ?? '']))
  const data = fields.get('app-id_userid_data') ?? ''
  if (type === 'app-id') {
    if (!['mac', 'file'].includes(texts.user_id_method ?? '')) {
      throw new WritError('login_method_unknown', 'Unknown method specified for user id.')
    }
    texts[texts.user_id_method === 'mac' ? 'user_id_interface' : 'user_id_path'] = data
  }
  // vault-gatekeeper's own page called them so
  if (type === 'userpass') {
    texts.username ||= fields.get('username_username') ?? ''
    texts.password ||= fields.get('username_password') ?? ''
  }
  return { ...texts, type } as UnsealTexts
}

function credentialsOf(method: string, texts: UnsealTexts, allowed: UserIdSource | null): Credentials {
  switch (method) {
    case 'token':
      return { kind: 'token', token: new Secret(texts.token) }
    case 'wrapped-token':
      return { kind: 'wrapped-token', wrap: new Secret(texts.token) }
    case 'cubby':
      return { kind: 'cubby', cubbyToken: new Secret(texts.token), path: texts.cubby_path || 'vault-token' }
    case 'userpass':
      return { kind: 'userpass', username: texts.username, password: new Secret(texts.password) }
    case 'github':
      return { kind: 'github', token: new Secret(texts.personal_token || texts.token) }
    case 'app-id':
      return { kind: 'app-id', appId: texts.app_id, userId: allowedUserId(texts, allowed) }
    case 'aws':
      return { kind: 'aws-ec2', role: texts.aws_role, nonce: new Secret(texts.aws_nonce) }
    case 'approle': {
      const wrapped = texts.wrapped_secret_id !== ''
      const secretId = new Secret(texts.wrapped_secret_id || texts.secret_id)
      return { kind: 'approle', roleId: texts.role_id, secretId, wrapped }
    }
    case 'kubernetes':
    case 'jwt':
      // a token that somebody sends is a JWT to both, and never the name of a file
      return { kind: 'jwt', role: texts.role, jwt: new Secret(texts.jwt), mount: method }
    case 'cert':
      return { kind: 'cert', name: texts.name }
    default:
      throw new WritError('login_method_unknown')
  }
}

/**
 * The attack: `user_id_method=file` makes the gate read any file and send it to Vault, and the answer tells which files there are. So a
 * file is read only if it is the one that the gate was configured with.
 */
function allowedUserId(texts: UnsealTexts, allowed: UserIdSource | null): UserIdSource {
  const { user_id_method: method, user_id_path: path } = texts
  if (method !== 'mac' && method !== 'file') {
    throw new WritError('login_refused', 'Unknown method specified for user id.')
  }
  if (method === 'file' && (!allowed?.path || allowed.path !== path)) {
    throw new WritError('login_refused', 'only the file that this gate was started with may be read (USER_ID_PATH)')
  }
  const { user_id_interface, user_id_hash: hash, user_id_salt: salt } = texts
  return { method, interface: user_id_interface, path, hash, salt }
}
