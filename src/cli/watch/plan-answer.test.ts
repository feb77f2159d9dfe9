import { expect, test } from 'vitest'
import { selfSigned } from '../../../test/certificate.ts'
import { digestOf, type Plan } from '../../protocol/watch-plan.ts'
import { describePlan } from './describe.ts'
import { digestOfShown, type PlanAnswer } from './plan-answer.ts'

const VAULT = {
  address: 'https://vault.example:8200',
  tls_server_name: 'vault.internal',
  cacert: selfSigned().cert,
  approle_mount_point: 'deployers',
  role: 'deploy',
  role_id: 'the-role-id',
}
const PLAN: Plan = {
  format: 'writ-plan-1',
  watch: 'prod',
  repository: 'https://git.example/x.git',
  branch: 'main',
  commit: 'a'.repeat(40),
  image: 'busybox@sha256:x',
  commands: ['make deploy'],
  requests: [{ name: 'pki', path: '/v1/pki/issue/a', method: 'POST', options: { ttl: '1h' }, wrap_ttl: 60 }],
  vault: VAULT,
}
const LOGIN = { name: 'team', url: 'https://team.example:8200', vault_cacert: selfSigned().cert }
const JOB = 'kind: Job\nspec:\n  image: a\u202eb # x'
const ON_KUBERNETES: Plan = { ...PLAN, commands: [], kubernetes: { namespace: 'ci', template: JOB, vaults: [LOGIN] } }
const answerOf = (plan: unknown, digest = digestOf(plan as Plan)): PlanAnswer => {
  const standing = { required: 1, signers: [], missing: ['ann'], refused: [], unusable: [] }
  return { plan: plan as Plan, digest, object: PLAN.commit, base: '', changed: [], message: 'x', standing }
}

test('the digest is that of what is shown', () => {
  expect(digestOfShown(answerOf(PLAN), 'prod')).toBe(digestOf(PLAN))
})

test.each<[string, unknown]>([
  ['another command', { ...PLAN, commands: ['make steal'] }],
  ['another image', { ...PLAN, image: 'evil@sha256:x' }],
  ['one more request', { ...PLAN, requests: [...PLAN.requests, PLAN.requests[0]] }],
  ['another body of a request', { ...PLAN, requests: [{ ...PLAN.requests[0], options: { ttl: '1y' } }] }],
  ...Object.keys(VAULT).map((field): [string, unknown] => [
    `another ${field} of the Vault`,
    { ...PLAN, vault: { ...VAULT, [field]: 'evil' } },
  ]),
  ['no Vault', { ...PLAN, vault: null }],
])('a plan with %s, beside the digest of this one, is not signed', (_, plan) => {
  expect(() => digestOfShown(answerOf(plan, digestOf(PLAN)), 'prod')).toThrow(
    expect.objectContaining({ code: 'plan_not_trusted', detail: expect.stringContaining('digest') }),
  )
})

test.each<[string, unknown, string?]>([
  ['a field that nobody is shown', { ...PLAN, also: 'x' }],
  ['a field of a request that nobody is shown', { ...PLAN, requests: [{ ...PLAN.requests[0], headers: {} }] }],
  ['a field of the Vault that nobody is shown', { ...PLAN, vault: { ...VAULT, namespace: 'x' } }],
  ['a command that is no text', { ...PLAN, commands: [['sh']] }],
  ['a field less', { ...PLAN, branch: undefined }],
  ['another format', { ...PLAN, format: 'writ-plan-2' }],
  ['another watch', PLAN, 'staging'],
])('nor one with %s, whatever its digest', (_, plan, watch = 'prod') => {
  expect(() => digestOfShown(answerOf(plan), watch)).toThrow(expect.objectContaining({ code: 'plan_not_trusted' }))
})

test('what is fetched besides is shown too, and why it will be refused', () => {
  const submodules = [{ path: 'lib\u001b[2K', url: 'https://git.example/lib.git', id: 'b'.repeat(40) }]
  const shown = (refused: string) =>
    describePlan({ ...answerOf(PLAN), fetches: { submodules, lfs: { files: 3, bytes: 12345 }, refused } })
  expect(shown('')).toContain(`submodules  lib\\u{1b}[2K  ${'b'.repeat(40)}  (https://git.example/lib.git)`)
  expect(shown('')).toContain('lfs         3 files, 12345 bytes')
  expect(shown('')).not.toContain('will not run')
  expect(shown('submodule_invalid: x')).toContain('will not run submodule_invalid: x')
})

test.each<[string, unknown]>([
  ['another template', { ...ON_KUBERNETES.kubernetes, template: 'kind: Job' }],
  ['another namespace', { ...ON_KUBERNETES.kubernetes, namespace: 'prod' }],
  ['another Vault', { ...ON_KUBERNETES.kubernetes, vaults: [{ ...LOGIN, url: 'https://evil' }] }],
  ['a Vault less', { ...ON_KUBERNETES.kubernetes, vaults: [] }],
  ['nothing of Kubernetes', undefined],
  ['a field that nobody is shown', { ...ON_KUBERNETES.kubernetes, also: 'x' }],
  ['null', null],
])('a plan for Kubernetes with %s, beside the digest of this one, is not signed', (_, kubernetes) => {
  expect(digestOfShown(answerOf(ON_KUBERNETES), 'prod')).toBe(digestOf(ON_KUBERNETES))
  const other = answerOf({ ...ON_KUBERNETES, kubernetes }, digestOf(ON_KUBERNETES))
  expect(() => digestOfShown(other, 'prod')).toThrow(expect.objectContaining({ code: 'plan_not_trusted' }))
})

test('a template is shown line by line, each as it is', () => {
  const text = describePlan(answerOf(ON_KUBERNETES))
  for (const part of [
    'namespace ci',
    '  kind: Job\n',
    'image: a\\u{202e}b # x',
    'Vault team at https://team.example:8200',
  ])
    expect(text).toContain(part)
  expect(text).toMatch(/Vault team .*\n.*CA .*([0-9A-F]{2}:){31}[0-9A-F]{2}/)
})

test('all of it is shown, and as it is', () => {
  const text = describePlan(answerOf({ ...PLAN, commands: ['ls # x\nrm -r /', 'a\u202eb\u001b[2Kc'] }))
  const { cacert: _, ...vault } = VAULT
  const { name, path, method } = PLAN.requests[0] as Plan['requests'][number]
  for (const part of [...Object.values(vault), name, path, method, '{"ttl":"1h"}', 'prod', PLAN.repository])
    expect(text).toContain(part)
  expect(text).toMatch(/CA .*([0-9A-F]{2}:){31}[0-9A-F]{2}/)
  expect(text).toContain('ls # x\\u{a}rm -r /')
  expect(text).toContain('a\\u{202e}b\\u{1b}[2Kc')
})

test('nothing that is shown beside the plan redraws it', () => {
  const evil = '\u001b[9A\u001b[2K\u009b\u202e\n'
  const standing = { required: 1, signers: [], missing: [evil], refused: [], unusable: [] }
  const answer = {
    ...answerOf({ ...PLAN, commit: evil }),
    base: evil,
    changed: [{ path: evil, change: evil }],
    fetches: { submodules: [], lfs: { files: evil, bytes: evil }, refused: evil },
    digest: evil,
    message: evil,
    standing,
  } as unknown as PlanAnswer
  const text = describePlan(answer)
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  expect(text.split('\n')).toHaveLength(
    describePlan({ ...answerOf(PLAN), changed: [{ path: 'x', change: 'x' }] }).split('\n').length + 2,
  )
})
