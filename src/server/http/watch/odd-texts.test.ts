import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../../test/http.ts'
import { verifyAudit } from '../../audit/verify.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

const IMAGE = `vault:1.7.3@sha256:${'5'.repeat(64)}`
const template = (image: string) => `apiVersion: batch/v1
kind: Job
metadata: {name: x}
spec: {template: {spec: {containers: [{name: main, image: "${image}"}]}}}
`

/** What each path takes, as somebody honest would write it. */
const HONEST: Readonly<Record<string, Record<string, unknown>>> = {
  configure: { git_repo_url: 'https://example.org/a.git', docker_image: IMAGE, commands: ['./x.sh', 'y'] },
  'configure/git_repository': {
    git_repo_url: 'https://example.org/a.git',
    git_branch_name: 'main',
    git_poll_period: 60,
  },
  'configure/options': {
    mode: 'tip',
    max_attempts: 3,
    ssh_known_hosts: 'example.org ssh-ed25519 AAAA',
    submodule_hosts: ['example.org'],
    lfs: 'pointers',
  },
  'configure/git_credential': { username: 'u', password: 'p' },
  'configure/webhook': { secret: 'x'.repeat(16) },
  'configure/trusted_pgp_public_key': { name: 'alice', public_key: 'ssh-ed25519 AAAA' },
  'configure/vault_request/q': { path: '/v1/kv/a', method: 'POST', options: { a: 'b', c: ['d'] }, wrap_ttl: '2m' },
  'configure/vaults': { vaults: [{ name: 'root', url: 'https://vault:8200', vault_cacert: '' }] },
  'configure/kubernetes_job': { template: template(IMAGE) },
  'task/configure': { task_timeout: '30m', task_history_limit: 10 },
  accept: { commit: '0'.repeat(40), run: true },
  retry: { commit: '0'.repeat(40) },
}
const paths = Object.keys(HONEST)

type Place = readonly (string | number)[]

function places(value: unknown, path: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))]
}

/** By what `change` makes of what is there. */
function changed(value: unknown, [key, ...rest]: Place, change: (value: unknown) => unknown): unknown {
  if (key === undefined) return change(value)
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>
  copy[key] = changed(copy[key], rest, change)
  return copy
}

const ODD = ['\0', '\ud800', '\udc00x', 'a\0b', '__proto__', '\u202e', '%00', '\\u0000', '', ' ', '\n', '\u{1f600}']
const LARGE = 'a'.repeat(700_000)

/** JSON has numbers that are none here. */
const jsonOf = (value: unknown) => JSON.stringify(value).replaceAll('"@1e400"', '1e400').replaceAll('"@-0"', '-0')

async function write(path: string, body: unknown) {
  const answer = await t.ask(`/v1/flant_gitops/${path}`, t.stack.root, { method: 'PUT', payload: jsonOf(body) })
  return { http: answer.http, code: answer.body?.code, text: answer.text.slice(0, 300) }
}

/** Nothing to read may be what breaks, either. */
async function expectReadable(): Promise<void> {
  for (const path of [
    'status',
    'configure',
    'configure/options',
    'configure/vaults',
    'configure/vault_request?list=true',
  ])
    expect((await t.ask(`/v1/flant_gitops/${path}`, t.stack.root)).http).toBeLessThan(500)
}

test.each(paths)(
  '%s: of odd words in any place, a refusal with a code, or they are kept',
  { timeout: 60_000 },
  async path => {
    const honest = HONEST[path] as Record<string, unknown>
    const where = places(honest).filter(place => place.length > 0)
    const text = fc.oneof(
      fc.constantFrom(...ODD, LARGE),
      fc.string({ unit: fc.constantFrom(...ODD, 'a', '/', ','), maxLength: 6 }),
    )
    const word = fc.oneof(
      { weight: 3, arbitrary: text.map(odd => () => odd) },
      { weight: 3, arbitrary: text.map(odd => (before: unknown) => `${before}${odd}`) },
      { weight: 1, arbitrary: text.map(odd => () => [odd]) },
      { weight: 1, arbitrary: text.map(odd => () => ({ [odd]: odd, ['__proto__']: { odd } })) },
      { weight: 1, arbitrary: fc.constantFrom('@1e400', '@-0', 1e308, -1, 0.5, true, null, 2 ** 53).map(n => () => n) },
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...where), word, async (place, change) => {
        const answer = await write(path, changed(honest, place, change))
        // the repository is not there
        if (path === 'accept' && answer.code === 'repository_unreachable') return
        expect(answer).toMatchObject({ http: expect.any(Number) })
        expect(answer.http < 500 ? '' : JSON.stringify(answer)).toBe('')
      }),
      { numRuns: 120 },
    )
    await expectReadable()
  },
)

test('a list that holds half of a pair', async () => {
  const { commands: _, ...rest } = HONEST.configure as Record<string, unknown>
  for (const commands of [['\ud800'], '\ud800, x', ['a\0']])
    expect(await write('configure', { ...rest, commands })).toMatchObject({ http: 400, code: 'watch_field_invalid' })
})

test.each(['name', 'url', 'vault_cacert'])('a Vault whose %s holds what cannot be kept', async field => {
  const vault: Record<string, string> = { name: 'root', url: 'https://vault:8200', vault_cacert: '' }
  for (const odd of ['\0', '\ud800'])
    expect(await write('configure/vaults', { vaults: [{ ...vault, [field]: `${vault[field]}${odd}` }] })).toMatchObject(
      {
        http: 400,
        code: 'watch_field_invalid',
      },
    )
})

test.each(['\\0', '\\ud800', '\\n', '\\u202e'])('a template with an image that YAML reads as holding %s', async odd => {
  expect(await write('configure/kubernetes_job', { template: template(`x${odd}${IMAGE}`) })).toMatchObject({
    http: 400,
    code: 'watch_field_invalid',
  })
})

test('after all of that, the trail is whole', async () => {
  expect(await verifyAudit(t.engine.db)).toMatchObject({ brokenAt: null })
})
