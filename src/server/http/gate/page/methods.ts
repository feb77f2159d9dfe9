/** One field of a form. */
interface Field {
  readonly name: string
  readonly label: string
  readonly secret?: true
  readonly optional?: true
  readonly value?: string
  readonly choices?: readonly string[]
}

interface Method {
  /** `auth_type` of the form. */
  readonly type: string
  /** The method's own name, where that is another. */
  readonly also?: string
  readonly label: string
  readonly fields: readonly Field[]
}

const secret = (name: string, label: string): Field => ({ name, label, secret: true })
const text = (name: string, label: string): Field => ({ name, label })
/** For methods that prove who the gate is: who asks must show that he may. */
const admin: Field = { ...secret('vault_token', 'Vault token with update on writ/gate'), optional: true }
const optional = (name: string, label: string): Field => ({ name, label, optional: true })

/** Every way to unseal, the usual ones first; names of fields are vault-gatekeeper's where it had them (gatekeeper.md §2.4). */
export const METHODS: readonly Method[] = [
  { type: 'token', label: 'Token', fields: [secret('token_token', 'Vault token')] },
  { type: 'wrapped-token', label: 'Wrapped token', fields: [secret('wrapped_token', 'Wrapping token')] },
  {
    type: 'approle',
    label: 'AppRole',
    fields: [
      text('approle_role_id', 'RoleID'),
      { ...secret('approle_secret_id', 'SecretID'), optional: true },
      { ...secret('approle_wrapped', 'or wrapping token of a SecretID'), optional: true },
    ],
  },
  {
    type: 'userpass',
    label: 'User name and password',
    fields: [text('userpass_username', 'User name'), secret('userpass_password', 'Password')],
  },
  { type: 'github', label: 'GitHub', fields: [secret('github_token', 'Personal access token')] },
  {
    type: 'cubby',
    label: 'Cubbyhole',
    fields: [
      secret('cubby_token', 'Token of the cubbyhole'),
      { name: 'cubby_path', label: 'Path in it', value: '/vault-token' },
    ],
  },
  {
    type: 'app-id',
    label: 'App ID',
    fields: [
      text('app-id_appid', 'App ID'),
      { name: 'app-id_userid_method', label: 'User ID is', choices: ['mac', 'file'] },
      text('app-id_userid_data', 'Interface, or path of the configured file'),
      { name: 'app-id_userid_hash', label: 'Hash', choices: ['', 'sha256', 'sha1', 'md5'] },
      { ...secret('app-id_userid_salt', 'Salt'), optional: true },
    ],
  },
  {
    type: 'aws',
    also: 'aws-ec2',
    label: 'AWS EC2',
    fields: [optional('aws_role', 'Role'), { ...secret('aws_nonce', 'Nonce'), optional: true }, admin],
  },
  {
    type: 'kubernetes',
    label: 'Kubernetes',
    fields: [text('kubernetes_role', 'Role'), secret('kubernetes_jwt', 'Token of a service account')],
  },
  { type: 'jwt', label: 'JWT', fields: [optional('jwt_role', 'Role'), secret('jwt_jwt', 'JWT')] },
  { type: 'cert', label: 'TLS certificate of this gate', fields: [optional('cert_name', 'Role'), admin] },
]
