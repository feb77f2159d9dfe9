import { expect, test } from 'vitest'
import { Secret } from '../../vault/secret.ts'
import type { Image } from '../runtimes/runtime.ts'
import { containerSpec, secretFiles, sourcedContainer } from './container.ts'
import type { Engine } from './engine.ts'
import { makeOrder } from './order.ts'

const settings = {
  vaultAddr: 'https://vault:8200',
  vaultCa: null as string | null,
  jobMemory: 1,
  jobPids: 2,
  jobNetwork: 'none',
  allowedNetworks: [],
}
const engineWith = (more: Partial<typeof settings> = {}) =>
  ({ node: 'n', installation: 'inst', settings: { ...settings, ...more } }) as unknown as Engine
const image: Image = { id: 'i', digest: 'd', entrypoint: ['/entry'], command: ['default'], metadata: null }
const token = new Secret('job-token-canary')

const specOf = async (job: object, engine = engineWith()) =>
  containerSpec(engine, 'a'.repeat(24), 3, await makeOrder({ container_image: 'x', ...job }), image, 'who')

test.each([
  [{}, ['/entry', 'default']],
  [{ run: ['a', 'b'] }, ['/entry', 'a', 'b']],
  [{ entrypoint: ['sh', '-c'] }, ['sh', '-c']],
  [{ entrypoint: ['sh'], run: ['x'] }, ['sh', 'x']],
  [{ entrypoint: [''], run: ['x'] }, ['x']],
  [{ entrypoint: [''] }, []],
])('the command of %j', async (job, argv) => {
  expect((await specOf(job)).argv).toEqual(argv)
})

test('the name and the labels lead from the container to the job', async () => {
  const { name, labels } = await specOf({})
  expect(name).toBe(`writ-${'a'.repeat(24)}`)
  expect(labels).toEqual({
    'writ.owner': 'writ',
    'writ.installation': 'inst',
    'writ.job': 'a'.repeat(24),
    'writ.attempt': '3',
    'writ.node': 'n',
  })
})

test('a job of a source brings files, environment and whose it is, and is told nothing of our Vault', async () => {
  const files = { content: async function* () {}, env: ['A=1'], tenant: 'watch' }
  const hold = { id: 'a'.repeat(24), node: 'n', attempt: 1 }
  const spec = sourcedContainer(engineWith(), hold, await makeOrder({ container_image: 'x' }), image, files)
  expect(spec).toMatchObject({ tenant: 'watch', env: ['A=1'], content: files.content })
})

test('the environment says where Vault is, and after what the job sets itself', async () => {
  expect((await specOf({ env_vars: ['A=1', 'VAULT_ADDR=mine'] })).env).toEqual([
    'A=1',
    'VAULT_ADDR=mine',
    `WRIT_JOB_ID=${'a'.repeat(24)}`,
    'VAULT_ADDR=https://vault:8200',
    'VAULT_CACERT=',
  ])
  expect((await specOf({}, engineWith({ vaultCa: 'PEM' }))).env).toContain('VAULT_CACERT=/run/writ/vault-ca.pem')
})

test('the token of the job is VAULT_TOKEN, whatever the file calls TOKEN', async () => {
  const order = await makeOrder({ container_image: 'x', secret_file_type: 'json' })
  const secrets = new Map([['TOKEN', new Secret('another')]])
  const { files, env } = secretFiles(engineWith({ vaultCa: 'PEM' }), order, secrets, token)
  expect(env).toEqual({ VAULT_TOKEN: 'job-token-canary' })
  expect(Buffer.from(files['secrets.json'] ?? []).toString()).toBe('{"TOKEN":"another"}')
  expect(Buffer.from(files['vault-ca.pem'] ?? []).toString()).toBe('PEM')
})
