import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../../test/http.ts'
import { Secret } from '../../../vault/secret.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

const ask = async (
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
  token: Secret | null = t.stack.root,
) => {
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) }
  return await t.ask(`/v1/${path}`, token, { method, ...payload })
}
const write = (path: string, body: unknown = {}) => ask('PUT', path, body)
const read = async (path: string) => (await ask('GET', path)).body?.data

describe('what is for Kubernetes', () => {
  const image = `busybox@sha256:${'5'.repeat(64)}`
  const template = (more = '') => `apiVersion: batch/v1
kind: Job
metadata: {name: x}
spec: {template: {spec: {containers: [{name: main, image: '${image}'}]${more}}}}
`
  const vaults = [{ name: 'root', url: 'https://vault:8200', vault_cacert: '' }]

  test('is kept and read back; a cluster that is away is said, and keeps nobody from writing', async () => {
    expect((await write('flant_gitops/configure/vaults', { vaults })).body.warnings[0]).toContain('no template')
    const written = await write('flant_gitops/configure/kubernetes_job', { template: template() })
    expect(written).toMatchObject({ http: 200, body: { warnings: [expect.stringContaining('was not asked')] } })
    expect(await read('flant_gitops/configure/kubernetes_job')).toEqual({ template: template(), namespace: 'ci' })
    expect(await write('flant_gitops/configure/vaults', { vaults })).toMatchObject({ http: 204 })
    expect(await read('flant_gitops/configure/vault')).toEqual({ vaults })
    expect(await ask('DELETE', 'flant_gitops/configure/kubernetes_job')).toMatchObject({ http: 204 })
    expect(await ask('GET', 'flant_gitops/configure/kubernetes_job')).toMatchObject({ http: 404 })
  })

  const init = (other: string) => template(`, initContainers: [{name: init, image: '${other}'}]`)
  test.each([
    ['with a tag only', template().replace(/@sha256:5+/, ':1')],
    ['with a digest that is too short', template().replace('@sha256:5', '@sha256:')],
    ['with a digest that goes on', template().replace('@sha256:5', '@sha256:55')],
    ['with a digest, and a tag behind it', template().replace(/@sha256:5+/, '$&:1')],
    ['with a digest of another hash', template().replace('@sha256:', '@sha512:')],
    ['that is the second one, of an init container', init('git:1')],
  ])('an image %s is refused, unless the option allows it', async (_, loose) => {
    expect(await write('flant_gitops/configure/kubernetes_job', { template: loose })).toMatchObject({
      http: 400,
      body: { errors: [expect.stringContaining('an image without its digest')] },
    })
    await write('flant_gitops/configure/options', { unpinned_image: true })
    expect(await write('flant_gitops/configure/kubernetes_job', { template: loose })).toMatchObject({ http: 200 })
    await write('flant_gitops/configure/options', { unpinned_image: false })
    await ask('DELETE', 'flant_gitops/configure/kubernetes_job')
  })

  test('init containers with digests are fine', async () => {
    expect(await write('flant_gitops/configure/kubernetes_job', { template: init(image) })).toMatchObject({ http: 200 })
    await ask('DELETE', 'flant_gitops/configure/kubernetes_job')
  })

  test('a namespace needs the leave of the administrator, and a policy of its own', async () => {
    const into = (namespace: string) => template().replace('name: x', `name: x, namespace: ${namespace}`)
    const refused = await write('flant_gitops/configure/kubernetes_job', { template: into('kube-system') })
    expect(refused.body.errors[0]).toContain('its namespace is none of those')
    const { vault, root } = t.stack
    const post = async (path: string, body: unknown) => await vault.send({ method: 'POST', path, token: root, body })
    const rule = (path: string) => `path "${path}" { capabilities = ["update"] }`
    const policy = [rule('writ/watches/*'), rule('writ/namespaces/ci')].join(' ')
    await post('sys/policies/acl/of-ci', { policy })
    const token = new Secret((await post('auth/token/create', { policies: ['of-ci'] }))?.auth?.token.reveal() ?? '')
    const asked = (namespace: string) =>
      ask('PUT', 'flant_gitops/configure/kubernetes_job', { template: into(namespace) }, token)
    expect(await asked('ci')).toMatchObject({ http: 200 })
    expect(await asked('prod')).toMatchObject({ http: 403, body: { code: 'namespace_not_permitted' } })
    expect(await read('flant_gitops/configure/kubernetes_job')).toEqual({ template: into('ci'), namespace: 'ci' })
    await ask('DELETE', 'flant_gitops/configure/kubernetes_job')
  })

  test.each([
    ['kubernetes_job', { template: '' }],
    ['kubernetes_job', { template: 'kind: Pod\napiVersion: v1\n' }],
    ['kubernetes_job', { template: '{' }],
    ['kubernetes_job', { template: 'a: &a [x]\nb: [*a, *a]\n' }],
    ['vaults', { vaults: [{ name: 'x' }] }],
    ['vaults', { vaults: [{ name: 'x', url: 'file:///x' }] }],
    ['vaults', { vaults: 'x' }],
  ])('%s: %j is refused', async (path, body) => {
    expect(await write(`flant_gitops/configure/${path}`, body)).toMatchObject({
      http: 400,
      body: { code: 'watch_field_invalid' },
    })
  })
})
