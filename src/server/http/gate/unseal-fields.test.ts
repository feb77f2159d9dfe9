import { expect, test } from 'vitest'
import { WritError } from '../../../protocol/errors.ts'
import { Secret } from '../../../vault/secret.ts'
import { formTexts, UNSEAL_KEYS, type UnsealTexts, unsealRequest } from './unseal-fields.ts'

/** A file that this gate may read. */
const ALLOWED = { method: 'file', path: '/allowed' } as const

/** A secret as `secret <value>`, for comparing. */
function shown(value: unknown): unknown {
  if (value instanceof Secret) return `secret ${value.reveal()}`
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shown(part)]))
}
const byJson = (body: Record<string, string>) => {
  const texts = Object.fromEntries(UNSEAL_KEYS.map(key => [key, body[key] ?? ''])) as UnsealTexts
  return shown(unsealRequest(texts, 'v1').credentials(ALLOWED))
}
const byForm = (body: Record<string, string>) =>
  shown(unsealRequest(formTexts(new Map(Object.entries(body))), 'v1').credentials(ALLOWED))

const USER_ID = { user_id_hash: 'sha1', user_id_salt: 's' }
const MAC = { method: 'mac', interface: 'eth0', path: '', hash: 'sha1', salt: 's' }
const FILE = { method: 'file', interface: '', path: '/allowed', hash: '', salt: '' }

/** Every method of version 1, with its keys in JSON and in a form (gatekeeper.md §2.4). */
const METHODS: [json: Record<string, string>, form: Record<string, string>, expected: object][] = [
  [
    { type: 'token', token: 't' },
    { auth_type: 'token', token_token: 't' },
    { kind: 'token', token: 'secret t' },
  ],
  [
    { type: 'wrapped-token', token: 't' },
    { auth_type: 'wrapped-token', wrapped_token: 't' },
    { kind: 'wrapped-token', wrap: 'secret t' },
  ],
  [
    { type: 'cubby', token: 't', cubby_path: '/p' },
    { auth_type: 'cubby', cubby_token: 't', cubby_path: '/p' },
    { kind: 'cubby', cubbyToken: 'secret t', path: '/p' },
  ],
  [
    { type: 'cubby', token: 't' },
    { auth_type: 'cubby', cubby_token: 't' },
    { kind: 'cubby', cubbyToken: 'secret t', path: 'vault-token' },
  ],
  [
    { type: 'userpass', username: 'u', password: 'p' },
    { auth_type: 'userpass', userpass_username: 'u', userpass_password: 'p' },
    { kind: 'userpass', username: 'u', password: 'secret p' },
  ],
  [
    { type: 'github', token: 't' },
    { auth_type: 'github', github_token: 't' },
    { kind: 'github', token: 'secret t' },
  ],
  [
    { type: 'app-id', app_id: 'a', user_id_method: 'mac', user_id_interface: 'eth0', ...USER_ID },
    {
      auth_type: 'app-id',
      'app-id_appid': 'a',
      'app-id_userid_method': 'mac',
      'app-id_userid_data': 'eth0',
      'app-id_userid_hash': 'sha1',
      'app-id_userid_salt': 's',
    },
    { kind: 'app-id', appId: 'a', userId: MAC },
  ],
  [
    { type: 'app-id', app_id: 'a', user_id_method: 'file', user_id_path: '/allowed' },
    {
      auth_type: 'app-id',
      'app-id_appid': 'a',
      'app-id_userid_method': 'file',
      'app-id_userid_data': '/allowed',
    },
    { kind: 'app-id', appId: 'a', userId: FILE },
  ],
  [
    { type: 'aws', aws_role: 'r', aws_nonce: 'n' },
    { auth_type: 'aws', aws_role: 'r', aws_nonce: 'n' },
    { kind: 'aws-ec2', role: 'r', nonce: 'secret n' },
  ],
]

test.each(METHODS)('%j, and the same by the form', (json, form, expected) => {
  expect(byJson(json)).toEqual(expected)
  expect(byForm(form)).toEqual(expected)
})

test('an unknown way to a user id: a mistake in a form, a refused login in JSON', () => {
  const codeOf = (attempt: () => unknown) => {
    try {
      return attempt()
    } catch (error) {
      return error instanceof WritError ? [error.code, error.detail] : error
    }
  }
  const text = 'Unknown method specified for user id.'
  const form = { auth_type: 'app-id', 'app-id_appid': 'a', 'app-id_userid_method': 'zz' }
  expect(codeOf(() => byForm(form))).toEqual(['login_method_unknown', text])
  expect(codeOf(() => byJson({ type: 'app-id', app_id: 'a', user_id_method: 'zz' }))).toEqual(['login_refused', text])
})
