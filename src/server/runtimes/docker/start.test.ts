import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import type { SecretFiles } from '../runtime.ts'
import { secretTar } from './gate.ts'

const docker = new DockerFixture()
const MARKER = 'sup3r-s3cret-marker'
const BINARY = Buffer.from([0, 255, 10, 13, 3, 4, 26, 17, 16])
const BINARY_MD5 = createHash('md5').update(BINARY).digest('hex')
const SECRETS: SecretFiles = {
  files: {
    'secrets.yml': Buffer.from(`---\nkey: ${MARKER}\n`),
    binary: BINARY,
  },
  env: { VAULT_TOKEN: `it's "${MARKER}"\n$HOME \\ \`id\`` },
}

describe.each([false, true])('secrets, with a terminal: %s', tty => {
  test('are in files and environment, and the delivery leaves no trace', async () => {
    const script =
      'cat /secrets.yml; md5sum </run/writ/binary; echo "[$VAULT_TOKEN]"; ls -A1 /run/writ; cat /proc/mounts | grep -c writ.*noexec'
    const { stdout, exit } = await docker.run(script, SECRETS, { tty })
    expect(exit.code).toBe(0)
    expect(stdout.toString().replaceAll('\r\n', '\n')).toBe(
      `---\nkey: ${MARKER}\n${BINARY_MD5}  -\n[it's "${MARKER}"\n$HOME \\ \`id\`]\nbinary\nsecrets.yml\n1\n`,
    )
  })

  test('are nowhere in what the engine shows or stores of the container', async () => {
    const { id, attachment } = await docker.start(
      ['sh', '-c', 'test -s /secrets.yml && echo ready; sleep 60'],
      SECRETS,
      { tty },
    )
    const output = attachment.output[Symbol.asyncIterator]()
    expect(
      Buffer.from((await output.next()).value?.data ?? '')
        .toString()
        .trim(),
    ).toBe('ready')
    const seen = await Promise.all(
      ['json', 'top', 'changes', 'export', 'logs?stdout=1&stderr=1', 'archive?path=/run'].map(async what => {
        const { body } = await docker.engine.stream('GET', `/containers/${id}/${what}`)
        return text(body)
      }),
    )
    expect(seen.map(it => it.length > 2)).toEqual(Array(6).fill(true))
    expect(seen.map(it => it.includes(MARKER))).toEqual(Array(6).fill(false))
    await docker.runtime.remove(id)
  })
})

test('standard input of the job is empty', async () => {
  expect((await docker.run('cat; readlink /proc/self/fd/0')).stdout.toString()).toBe('/dev/null\n')
})

describe('a job does not run', () => {
  const argv = ['sh', '-c', 'echo the job ran']

  test.each([0, 700, 5_000])('when only %i bytes of its secrets arrive', async length => {
    const { id } = await docker.create(argv)
    const query = { stream: 1, stdin: 1, stdout: 1, stderr: 1 }
    const socket = await docker.engine.hijack(`/containers/${id}/attach`, { query })
    await docker.engine.json('POST', `/containers/${id}/start`)
    const whole = await secretTar({ files: { big: Buffer.alloc(100_000, 'x') }, env: {} })
    socket.end(whole.subarray(0, length), () => socket.destroy())
    const { exit, stdout, stderr } = await finished(await docker.runtime.attach(id, { stdout: 0, stderr: 0 }))
    expect([exit.code, stdout.toString()]).toEqual([125, ''])
    expect(stderr.toString()).toBe('writ: the secrets did not arrive completely; the job was not run\n')
  })

  test('a second time, when the engine is told to start it again', async () => {
    const { id, stdout } = await docker.run('echo the job ran')
    expect(stdout.toString()).toBe('the job ran\n')
    await docker.engine.json('POST', `/containers/${id}/start`)
    const again = await finished(await docker.runtime.attach(id, { stdout: stdout.length, stderr: 0 }))
    expect([again.exit.code, again.stdout.toString()]).toEqual([125, ''])
    expect(again.stderr.toString()).toContain('started before')
  })

  test('a second time, when we are told to start it again', async () => {
    const { id } = await docker.run('true')
    await expect(docker.runtime.start(id, NO_SECRETS)).rejects.toMatchObject({ code: 'container_refused' })
  })

  test('when its container is gone', async () => {
    await expect(docker.runtime.start('f'.repeat(64), NO_SECRETS)).rejects.toMatchObject({ code: 'container_lost' })
  })
})

test('the caller can let go of a running job without ending it', async () => {
  const { id, name } = await docker.create(['sh', '-c', 'echo up; sleep 60'])
  const letGo = new AbortController()
  const { output, exit } = await docker.runtime.start(id, NO_SECRETS, letGo.signal)
  const frames = output[Symbol.asyncIterator]()
  await frames.next()
  letGo.abort(new Error('going away'))
  await expect(frames.next()).rejects.toThrow('going away')
  await expect(exit).rejects.toThrow('going away')
  expect((await docker.runtime.find(name))?.phase).toBe('running')
})
