import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../../test/http.ts'
import type { Secret } from '../../../vault/secret.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

const ask = async (method: string, path: string, token: Secret) =>
  await t.ask(`/v1/${path}`, token, { method: (method === 'LIST' ? 'LINK' : method) as 'GET' })

test('whoever may do nothing with a watch does not learn whether it is there', async () => {
  await t.stack.write('sys/policies/acl/nothing', { policy: 'path "x" { capabilities = ["read"] }' })
  const stranger = await t.stack.token({ policies: ['nothing'], ttl: '1h' })
  const asked = [
    ['GET', 'configure'],
    ['GET', 'configure?help=1'],
    ['GET', '?help=1'],
    ['GET', 'nothing'],
    ['LIST', 'task/'],
    ['PATCH', 'configure'],
    ['PUT', 'retry'],
    ['DELETE', 'configure'],
    ['GET', '..%2fflant_gitops%2fconfigure'],
    ['GET', 'configure%2fvault_request'],
    ['POST', 'webhook'],
  ] as const
  for (const [method, path] of asked) {
    const [there, gone] = [
      await ask(method, `flant_gitops/${path}`, stranger),
      await ask(method, `no_such/${path}`, stranger),
    ]
    expect({ method, path, http: there.http, body: there.body }).toEqual({
      ...{ method, path, http: 403 },
      body: gone.body,
    })
    expect(gone.http).toBe(403)
  }
  for (const method of ['GET', 'DELETE'])
    for (const name of ['flant_gitops', 'flant-gitops/', 'no_such', '..', '*', 'a%2fb'])
      expect(await ask(method, `sys/mounts/${name}`, stranger)).toMatchObject({ http: 403 })
})
