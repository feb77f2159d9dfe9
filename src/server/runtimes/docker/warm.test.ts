import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { ensureBusyboxImage } from '../../../../test/busybox-image.ts'
import { DockerFixture, finished } from '../../../../test/docker-fixture.ts'
import { type DockerOptions, dockerRuntime } from './docker-runtime.ts'
import { tidy } from './tidy.ts'
import { WARM_LABEL } from './warm.ts'

const owner = ['writ.test-warm', randomBytes(6).toString('hex')] as const
const LIMITS = { memoryBytes: 64 << 20, pids: 50, network: 'none', cpus: 0, readOnly: false }
const SECRETS = { files: { 'secrets.yml': Buffer.from("it's s\n") }, env: { TOKEN: `a'b"$HOME\n` } }
const ref = await ensureBusyboxImage()
const warm = { images: new Map([[ref, 2]]), limits: LIMITS, labels: { [owner[0]]: owner[1] } }
const options: DockerOptions = { warm, tidy: { owner, preparedMs: 3_600_000, orphanMs: 0 } }
const docker = new DockerFixture(options)

interface Listed {
  readonly Id: string
  readonly Names: string[]
  readonly State: string
}

async function gates(): Promise<Listed[]> {
  const query = { all: 1, filters: JSON.stringify({ label: [WARM_LABEL, owner.join('=')] }) }
  return await docker.engine.json<Listed[]>('GET', '/containers/json', { query })
}

/** Waits until so many wait for a job. */
async function ready(count = 2): Promise<Listed[]> {
  for (let tries = 0; tries < 200; tries++) {
    const all = await gates()
    const waiting = all.filter(({ Names, State }) => State === 'running' && Names[0]?.startsWith('/writ-warm-'))
    if (waiting.length === count) {
      // attached, started, and known to the pool
      await sleep(300)
      return waiting
    }
    await sleep(50)
  }
  throw new Error('none is ready')
}

async function job(argv: string[], rest: object = {}) {
  const waiting = await ready()
  const { id, name } = await docker.create(argv, { limits: LIMITS, ...rest })
  return { id, name, waited: waiting.some(({ Id }) => Id === id) }
}

test('a job that fits takes one that waits, and is all that it would be in one of its own', async () => {
  const script = 'cat /secrets.yml; printf "%s|" "$TOKEN" "$A" "$HOME" "$0" "$@"; id -u; ls -A /run/writ; exit 7'
  const argv = ['sh', '-c', script, "x y'z", '$1', '']
  const env = [`A=it's "=" \\ $PATH`]
  const { id, name, waited } = await job(argv, { env })
  expect(waited).toBe(true)
  expect(await docker.runtime.find(name)).toMatchObject({ id, phase: 'running' })
  const warmed = await finished(await docker.runtime.start(id, SECRETS))
  const own = await docker.start(argv, SECRETS, { limits: { ...LIMITS, pids: 51 }, env })
  const cold = await finished(own.attachment)
  expect([warmed.stdout.toString(), warmed.stderr.toString(), warmed.exit.code]).toEqual([
    cold.stdout.toString(),
    cold.stderr.toString(),
    7,
  ])
  expect(warmed.stdout.toString()).toContain(`it's "=" \\ $PATH|/tmp|x y'z|$1||2001\n`)
  // and there are as many as before
  await docker.runtime.remove(name)
  await ready()
})

test.each<[string, object]>([
  ['other limits', { limits: { ...LIMITS, memoryBytes: 65 << 20 } }],
  ['another network', { limits: { ...LIMITS, network: 'bridge' } }],
  ['nothing to write to', { limits: { ...LIMITS, readOnly: true } }],
  ['a terminal', { tty: true }],
  ['a working directory', { workingDirectory: '/etc' }],
  ['a variable that no shell can export', { env: ['A-B=1'] }],
])('a job with %s gets one of its own', async (_, rest) => {
  expect((await job(['true'], rest)).waited).toBe(false)
})

describe('at most one start', () => {
  test('the name is the guard: of many at once one gets it, and no gate is left under it', async () => {
    await ready()
    const other = dockerRuntime()
    const spec = docker.spec(['true'], { limits: LIMITS })
    const ids = await Promise.all([docker.runtime, other, docker.runtime, other].map(each => each.create(spec)))
    expect(ids.filter(id => id !== null)).toHaveLength(1)
    await other.close()
  })

  test('a node that dies before the job is given leaves a container that runs nothing', async () => {
    const dying = dockerRuntime({ ...options, warm: { ...warm, images: new Map([[ref, 1]]) } })
    await ready(3)
    const spec = docker.spec(['sh', '-c', 'echo ran'], { limits: LIMITS })
    expect(await dying.create(spec)).not.toBeNull()
    await dying.close()
    const { exit, stdout } = await finished(await docker.runtime.attach(spec.name, { stdout: 0, stderr: 0 }))
    expect([exit.code, stdout.toString()]).toEqual([125, ''])
  })

  test('one that was only stopped keeps its end open: whoever takes over ends it, and what it sends later runs nothing', async () => {
    const { id, name } = await job(['sh', '-c', 'echo ran'])
    const next = dockerRuntime()
    const { exit, stdout } = await finished(await next.attach(name, { stdout: 0, stderr: 0 }))
    expect([exit.code, stdout.toString()]).toEqual([125, ''])
    const late = await finished(await docker.runtime.start(id, SECRETS))
    expect([late.exit.code, late.stdout.toString()]).toEqual([125, ''])
    await next.close()
  })

  test('attaching to a job that runs does not end it', async () => {
    const { id, name } = await job(['sh', '-c', 'echo up; sleep 2; echo down'])
    const attachment = await docker.runtime.start(id, SECRETS)
    const output = attachment.output[Symbol.asyncIterator]()
    await output.next()
    const again = await finished(await docker.runtime.attach(name, { stdout: 0, stderr: 0 }))
    expect([again.exit.code, again.stdout.toString()]).toEqual([0, 'up\ndown\n'])
  })
})

test('one that ended while it waited is replaced, and no job gets it', async () => {
  const [victim] = await ready()
  await docker.engine.json('POST', `/containers/${victim?.Id}/kill`)
  const { id } = await job(['echo', 'ran'])
  expect(id).not.toBe(victim?.Id)
  expect((await finished(await docker.runtime.start(id, SECRETS))).stdout.toString()).toBe('ran\n')
})

test('what a process left behind is removed at once, and neither a job nor one that waits or is just being made', async () => {
  const body = async (name: string, Cmd: string[], start = true) => {
    const Labels = { 'writ.test': docker.label, [WARM_LABEL]: name.split('+')[0] ?? '', [owner[0]]: owner[1] }
    const query = { name: name.replace('+', '-') }
    const config = { Image: ref, Cmd, Labels, HostConfig: { NetworkMode: 'none', Init: true } }
    const { Id } = await docker.engine.json<{ Id: string }>('POST', '/containers/create', { query, body: config })
    if (start) await docker.engine.json('POST', `/containers/${Id}/start`)
    if (start && Cmd[0] === 'true') await docker.engine.json('POST', `/containers/${Id}/wait`)
    return Id
  }
  const unique = randomBytes(4).toString('hex')
  const ended = await body(`writ-warm-${unique}-1`, ['true'])
  const waiting = await body(`writ-warm-${unique}-2`, ['sleep', '60'])
  const renamed = await body(`writ-warm-${unique}-3+job`, ['true'])
  const made = await body(`writ-warm-${unique}-4`, ['true'], false)
  await tidy(docker.engine, { slots: null, warm: null }, { owner, preparedMs: 3_600_000, orphanMs: 3_600_000 })
  const left = (await gates()).map(({ Id }) => Id)
  expect([ended, waiting, renamed, made].map(id => left.includes(id))).toEqual([false, true, true, true])
  for (const id of [waiting, renamed, made]) await docker.runtime.remove(id)
})

afterAll(async () => {
  await docker.runtime.close()
  const left = (await gates()).filter(({ Names }) => Names[0]?.startsWith('/writ-warm-'))
  expect(left).toEqual([])
  for (const { Id } of await gates())
    await docker.engine.json('DELETE', `/containers/${Id}`, { query: { force: 1 } }).catch(() => {})
})
