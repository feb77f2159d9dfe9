import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { busyboxEntries, importImage, tarOf } from '../../../../test/busybox-image.ts'
import { DockerFixture, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import { TinyRegistry } from '../../../../test/tiny-registry.ts'
import { Secret } from '../../../vault/secret.ts'
import { dockerRuntime } from './docker-runtime.ts'

const docker = new DockerFixture()
const { runtime } = docker
const registry = new TinyRegistry()

beforeAll(() => registry.listen())
afterAll(() => registry.close())

const layer = (content: string) => tarOf([...busyboxEntries(), { name: 'which', data: content }])
/** A name of its own for each test, to be removed afterwards. */
const name = () => `${registry.host}/team/image-${randomBytes(4).toString('hex')}`

async function which(ref: string, policy: 'IfNotPresent' | 'Always' = 'IfNotPresent') {
  const lines: string[] = []
  const image = await runtime.image(ref, policy, { onProgress: line => lines.push(line) })
  await docker.remember(ref)
  const { stdout } = await docker.run('cat /which', NO_SECRETS, { image })
  return { which: stdout.toString(), digest: image.digest, lines }
}

test('is pulled when it is not here, with progress, and known by its digest', async () => {
  const digest = registry.offer('latest', await layer('first'))
  const repository = name()
  const pulled = await which(repository)
  expect(pulled).toMatchObject({ which: 'first', digest: `${repository}@${digest}` })
  expect(pulled.lines.some(line => line.includes('Pull complete'))).toBe(true)
  expect((await which(repository)).lines).toEqual([])
  expect(await which(`${repository}@${digest}`)).toMatchObject({ which: 'first', lines: [] })
})

test('is pulled again when Always is asked for, and only then', async () => {
  const ref = `${name()}:moving`
  registry.offer('moving', await layer('old'))
  expect((await which(ref)).which).toBe('old')
  registry.offer('moving', await layer('new'))
  expect((await which(ref)).which).toBe('old')
  expect((await which(ref, 'Always')).which).toBe('new')
})

test('is not pulled with Never', async () => {
  registry.offer('never', await layer('never'))
  const ref = `${name()}:never`
  await expect(runtime.image(ref, 'Never', {})).rejects.toMatchObject({ code: 'image_not_found' })
  await which(ref)
  expect((await runtime.image(ref, 'Never', {})).digest).toContain('sha256:')
})

describe('of a registry that asks who pulls', () => {
  const login = { username: 'puller', password: new Secret('pull-canary:7') }
  beforeEach(() => {
    registry.login = 'puller:pull-canary:7'
  })
  afterEach(() => {
    registry.login = undefined
  })

  test('is pulled with the right credentials', async () => {
    registry.offer('private', await layer('private'))
    const ref = `${name()}:private`
    await runtime.image(ref, 'IfNotPresent', { login })
    expect((await which(ref)).which).toBe('private')
  })

  test.each([
    ['without', {}],
    ['with wrong', { login: { ...login, password: new Secret('wrong') } }],
  ])('is not found %s ones', async (_, options) => {
    registry.offer('private', await layer('private'))
    const error = { code: 'image_not_found', detail: expect.stringMatching(/no basic auth|unauthorized/) }
    await expect(runtime.image(`${name()}:private`, 'IfNotPresent', options)).rejects.toMatchObject(error)
  })

  test('is not pulled for one because another may', async () => {
    registry.offer('shared', await layer('shared'))
    const ref = `${name()}:shared`
    const [allowed, refused] = await Promise.allSettled([
      runtime.image(ref, 'Always', { login }),
      runtime.image(ref, 'Always', {}),
    ])
    await docker.remember(ref)
    expect([allowed.status, refused.status]).toEqual(['fulfilled', 'rejected'])
  })
})

test('is pulled once for all who want it at the same time', async () => {
  registry.offer('crowd', await layer('crowd'))
  const ref = `${name()}:crowd`
  registry.asked.clear()
  const lines: string[][] = []
  const pulls = Array.from({ length: 8 }, (_, i) => {
    lines[i] = []
    return runtime.image(ref, 'Always', { onProgress: line => lines[i]?.push(line) })
  })
  const images = await Promise.all(pulls)
  await docker.remember(ref)
  const once = registry.asked.get('crowd')
  expect(new Set(images.map(({ digest }) => digest)).size).toBe(1)
  expect(lines.every(each => each.join() === lines[0]?.join() && each.length > 0)).toBe(true)
  await runtime.image(ref, 'Always', {})
  // as often for all of them as for the one after them
  expect((registry.asked.get('crowd') ?? 0) - (once ?? 0)).toBeGreaterThanOrEqual(once ?? 0)
})

test('whose pull stalls is given up, and what was under way with it', async () => {
  registry.offer('stall', await tarOf([{ name: 'big', data: randomBytes(50_000) }]))
  registry.stalling = true
  const impatient = dockerRuntime({ pullStallMs: 1_000 })
  try {
    const error = { code: 'image_not_found', detail: expect.stringContaining('stalled') }
    await expect(impatient.image(`${name()}:stall`, 'IfNotPresent', {})).rejects.toMatchObject(error)
  } finally {
    registry.stalling = false
    await impatient.close()
  }
})

test('is let go of by one who has no time, and pulled for the others', async () => {
  registry.offer('hurry', await tarOf([...busyboxEntries(), { name: 'big', data: randomBytes(50_000) }]))
  registry.stalling = true
  const ref = `${name()}:hurry`
  const hurry = new AbortController()
  const begun = Promise.withResolvers<void>()
  const [leaving, staying] = [
    runtime.image(ref, 'IfNotPresent', { signal: hurry.signal, onProgress: () => begun.resolve() }),
    runtime.image(ref, 'IfNotPresent', {}),
  ]
  await begun.promise
  hurry.abort(new Error('no time'))
  await expect(leaving).rejects.toThrow('no time')
  registry.letGo()
  registry.stalling = false
  expect((await staying).digest).toContain('sha256:')
  await docker.remember(ref)
})

test('of a damaged layer is refused, although the engine begins with 200', async () => {
  registry.offer('damaged', await layer(randomBytes(8).toString('hex')), { damaged: true })
  const error = { code: 'image_not_found', detail: expect.stringMatching(/verification|checksum|invalid|gzip/i) }
  await expect(runtime.image(`${name()}:damaged`, 'IfNotPresent', {})).rejects.toMatchObject(error)
})

test('that the registry does not have is not found', async () => {
  await expect(runtime.image(`${name()}:none`, 'IfNotPresent', {})).rejects.toMatchObject({ code: 'image_not_found' })
})

test('that the registry has withdrawn is not used with Always', async () => {
  const ref = `${name()}:withdrawn`
  registry.offer('withdrawn', await layer('x'))
  await which(ref)
  registry.withdraw('withdrawn')
  await expect(runtime.image(ref, 'Always', {})).rejects.toMatchObject({ code: 'image_not_found' })
  expect((await which(ref)).which).toBe('x')
})

test.each([503, 502, 429])('whose registry says %i for a while is asked for again', async status => {
  registry.offer(`ailing-${status}`, await layer('well'))
  registry.ailing = { status, times: 2 }
  const found = await which(`${name()}:ailing-${status}`)
  expect(registry.ailing.times).toBe(0)
  expect(found).toMatchObject({ which: 'well', lines: expect.arrayContaining([expect.stringContaining('again in')]) })
})

test('is used as it is here while its registry cannot be reached', async () => {
  const ref = await importImage('127.0.0.1:1/writ-test/here', await layer('here'))
  const found = await which(ref, 'Always')
  expect(found).toMatchObject({ which: 'here', lines: [expect.stringContaining('cannot be reached')] })
})

test('is not found if it is neither here nor its registry there', async () => {
  const error = { code: 'image_not_found' }
  await expect(runtime.image('127.0.0.1:1/writ-test/no', 'IfNotPresent', {})).rejects.toMatchObject(error)
})

test.each(['UPPER/case', 'a b', '../x', '', 'a/../../version', 'x?y', 'x#y', 'x%2fy', 'a//b', 'ä', '-x', 'x\r\ny'])(
  'refuses the reference %j',
  async ref => {
    await expect(runtime.image(ref, 'IfNotPresent', {})).rejects.toMatchObject({ code: 'image_not_found' })
  },
)
