import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS, withoutGaps } from '../../../../test/docker-fixture.ts'

const docker = new DockerFixture()
const { runtime } = docker

test('says which engine it is', async () => {
  expect(await runtime.info()).toMatchObject({ version: expect.stringMatching(/^\d+\./) })
})

describe('the end', () => {
  test.each([0, 1, 42])('with code %i', async code => {
    const { exit } = await docker.run(`exit ${code}`)
    expect(exit).toEqual({ code, outOfMemory: false })
  })

  test('by a signal', async () => {
    expect((await docker.run('kill -9 $$')).exit).toEqual({ code: 137, outOfMemory: false })
  })

  test('by lack of memory', async () => {
    const { exit } = await docker.run('dd if=/dev/zero of=/dev/null bs=100M')
    expect(exit).toEqual({ code: 137, outOfMemory: true })
  })

  test('with a missing executable: 127, and its name on stderr', async () => {
    const { attachment } = await docker.start(['/no/such/thing'])
    const { exit, stderr } = await finished(attachment)
    expect(exit.code).toBe(127)
    expect(stderr.toString()).toContain('/no/such/thing')
  })
})

describe('output', () => {
  test('both streams, from the first byte on', async () => {
    const { stdout, stderr } = await docker.run('echo out; echo err >&2; echo out2')
    expect([stdout.toString(), stderr.toString()]).toEqual(['out\nout2\n', 'err\n'])
  })

  test('of jobs that are over at once is never lost', async () => {
    const runs = await Promise.all(Array.from({ length: 6 }, () => docker.run('printf x')))
    expect(runs.map(({ stdout }) => stdout.toString())).toEqual(Array(6).fill('x'))
  })

  test('with a terminal is one raw stream', async () => {
    const run = await docker.run('tty -s && echo terminal; echo err >&2', NO_SECRETS, { tty: true })
    expect([run.stdout.toString(), run.stderr.length]).toEqual(['terminal\r\nerr\r\n', 0])
  })

  test('makes the job wait for a slow reader, and loses nothing', async () => {
    const megabytes = 24
    const script = `dd if=/dev/zero bs=1M count=${megabytes} 2>/dev/null`
    const { name, attachment } = await docker.start(['sh', '-c', script])
    const output = withoutGaps(attachment.output)
    let bytes = (await output.next()).value?.data.length ?? 0
    await sleep(1_500)
    expect((await runtime.find(name))?.phase).toBe('running')
    for (let next = await output.next(); !next.done; next = await output.next()) bytes += next.value.data.length
    expect(bytes).toBe(megabytes << 20)
    expect((await attachment.exit).code).toBe(0)
  })
})

describe('creating', () => {
  test('ten times under one name makes one container', async () => {
    const spec = docker.spec(['true'])
    const ids = await Promise.all(Array.from({ length: 10 }, () => runtime.create(spec)))
    expect(ids.filter(id => id !== null)).toHaveLength(1)
    expect((await runtime.find(spec.name))?.phase).toBe('created')
  })

  test('refuses a job without a command', async () => {
    await expect(runtime.create(docker.spec([]))).rejects.toMatchObject({ code: 'container_refused' })
  })

  test('refuses a network that the engine does not have, when it starts', async () => {
    const limits = { memoryBytes: 64 << 20, pids: 50, network: 'no-such-network' }
    const { id } = await docker.create(['true'], { limits })
    await expect(runtime.start(id, NO_SECRETS)).rejects.toMatchObject({ code: 'container_refused' })
  })

  test('gives the job no rights beyond its user', async () => {
    const { stdout } = await docker.run(
      'id -u; id -g; whoami; echo $HOME; grep -E "CapEff|NoNewPrivs" /proc/self/status',
    )
    expect(stdout.toString().replaceAll('\t', ' ')).toBe(
      '2001\n2001\ngostint\n/tmp\nCapEff: 0000000000000000\nNoNewPrivs: 1\n',
    )
  })

  test('keeps a HOME of the job and its working directory', async () => {
    const { stdout } = await docker.run('echo $HOME; pwd', NO_SECRETS, { env: ['HOME=/x'], workingDirectory: '/etc' })
    expect(stdout.toString()).toBe('/x\n/etc\n')
  })
})

describe('stopping', () => {
  test('gives a job time to end by itself', async () => {
    const { name, attachment } = await docker.start([
      'sh',
      '-c',
      'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.1; done',
    ])
    await attachment.output[Symbol.asyncIterator]().next()
    await runtime.stop(name, 20)
    expect(await attachment.exit).toEqual({ code: 7, outOfMemory: false })
  })

  test('kills a job that does not', async () => {
    const { name, attachment } = await docker.start(['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.1; done'])
    await attachment.output[Symbol.asyncIterator]().next()
    const asked = Date.now()
    await runtime.stop(name, 1)
    expect(Date.now() - asked).toBeLessThan(900)
    expect((await attachment.exit).code).toBe(137)
  })

  test('what has ended, was not started or is not there is no error', async () => {
    const { name } = await docker.run('true')
    const unstarted = await docker.create(['true'])
    await Promise.all([name, unstarted.name, 'writ-test-none'].map(each => runtime.stop(each, 1)))
    expect((await runtime.find(unstarted.name))?.phase).toBe('created')
  })
})

describe('finding and removing', () => {
  test('knows all phases, by name and by label', async () => {
    const label = { 'writ.test': docker.label, 'writ.phase': docker.label }
    const created = await docker.create(['true'], { labels: label })
    const running = await docker.start(['sleep', '60'], NO_SECRETS, { labels: label })
    const exited = await docker.run('exit 3', NO_SECRETS, { labels: label })
    const states = await runtime.list('writ.phase', docker.label)
    expect(new Map(states.map(({ name, phase, exit }) => [name, [phase, exit?.code]]))).toEqual(
      new Map([
        [created.name, ['created', undefined]],
        [running.name, ['running', undefined]],
        [exited.name, ['exited', 3]],
      ]),
    )
    expect(states.every(({ labels }) => labels['writ.phase'] === docker.label)).toBe(true)
    expect(await runtime.find(running.name)).toMatchObject({ id: running.id, phase: 'running', exit: null })
    await runtime.remove(running.name)
    expect(await runtime.find(running.name)).toBeNull()
    expect((await running.attachment.exit).code).toBe(137)
  })

  test('takes no part of an id for a name', async () => {
    const { id } = await docker.create(['true'])
    expect(await runtime.find(id.slice(0, 12))).toBeNull()
  })

  test('removing what is not there is no error', async () => {
    await runtime.remove('writ-test-none')
    expect(await runtime.removeUnstarted('writ-test-none')).toBe(true)
  })

  test('removeUnstarted leaves alone what was started', async () => {
    const created = await docker.create(['true'])
    const running = await docker.start(['sleep', '60'])
    const exited = await docker.run('true')
    expect(await runtime.removeUnstarted(created.name)).toBe(true)
    expect(await runtime.removeUnstarted(running.name)).toBe(false)
    expect(await runtime.removeUnstarted(exited.name)).toBe(false)
    const phases = [created, running, exited].map(async ({ name }) => (await runtime.find(name))?.phase)
    expect(await Promise.all(phases)).toEqual([undefined, 'running', 'exited'])
  })
})

describe('content', () => {
  async function* tar(...pieces: (Uint8Array | Error)[]) {
    for (const piece of pieces) {
      if (piece instanceof Error) throw piece
      yield piece
    }
  }

  test('lies over the root, with owners and modes', async () => {
    const { smallTar } = await import('./small-tar.ts')
    const content = await smallTar([
      { name: 'gostint/hello.sh', mode: 0o755, data: '#!/bin/sh\necho hello from $0\n' },
      { name: 'work', type: 'directory', mode: 0o700, uid: 2001, gid: 2001 },
    ])
    const argv = ['sh', '-c', '/gostint/hello.sh && touch /work/x && echo written']
    const { attachment } = await docker.start(argv, NO_SECRETS, { content: () => tar(content) })
    expect((await finished(attachment)).stdout.toString()).toBe('hello from /gostint/hello.sh\nwritten\n')
  })

  test.each<[string, (Uint8Array | Error)[], object]>([
    ['ends in the middle', [Buffer.alloc(512, 'x')], { code: 'container_refused' }],
    ['fails in the middle', [Buffer.alloc(512), new Error('spool')], {}],
  ])('that %s leaves no container', async (_, pieces, error) => {
    const spec = docker.spec(['true'], { content: () => tar(...pieces) })
    await expect(runtime.create(spec)).rejects.toMatchObject(error)
    expect(await runtime.find(spec.name)).toBeNull()
  })
})
